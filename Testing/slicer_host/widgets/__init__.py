"""Qt as PythonQt has it, and the widgets of CTK and Slicer."""
