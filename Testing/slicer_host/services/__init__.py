"""What a module asks Slicer's application for: files, layouts, dialogs, packages, samples, translations."""
