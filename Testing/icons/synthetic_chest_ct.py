"""Draw the thumbnail of the synthetic chest CT for Slicer's module Sample Data: a coronal slice in a lung window.

Usage: python synthetic_chest_ct.py, with the package installed
"""

from pathlib import Path

from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.reports.figures import LUNG_WINDOW
from skimage.exposure import rescale_intensity
from skimage.io import imsave
from skimage.transform import resize

THUMBNAIL = Path(__file__).resolve().parents[2] / "COVIDMTL/Resources/Icons/SyntheticChestCT.png"
ROWS, COLUMNS = 280, 260

phantom = thorax(0, ground_glass=0.12, consolidation=0.03)
through_the_lungs = (phantom.lungs.array > 0).sum(axis=(0, 2)).argmax()
coronal = phantom.ct.array[::-1, through_the_lungs].astype(float)

width, _, height = phantom.ct.geometry.extent
beside = round(coronal.shape[1] * (1 - height / width * COLUMNS / ROWS) / 2)  # air left out, to keep the proportions
picture = resize(coronal[:, beside:-beside], (ROWS, COLUMNS), anti_aliasing=True)
imsave(THUMBNAIL, rescale_intensity(picture, in_range=LUNG_WINDOW, out_range="uint8"))
