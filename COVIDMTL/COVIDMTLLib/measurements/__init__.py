"""What is measured of lungs: volumes and densities, the boundary shown, agreement of masks, quality."""
