"""Results for people and for archives: the HTML page with its figures, and DICOM."""
