"""What the panels of COVIDMTL and SegmentRefine share: running a job, installing packages, showing results.

The only package of the project that uses Qt.
"""
