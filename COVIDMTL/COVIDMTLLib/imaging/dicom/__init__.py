"""DICOM studies: headers, series, stacks of slices, frames."""
