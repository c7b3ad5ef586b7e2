"""Masks of the lungs of a phantom as other programs write them.

What makes one is called with the phantom, with two masks of what is no lung, and with a folder to write to.
"""

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import write, write_dicom
from COVIDMTLLib.imaging.volume import Geometry, Volume

LUNG = "Segmentation category and type~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~SCT^24028007^Right~~^^"


def lobes(phantom):
    """Labels 1 to 5: left upper and lower, right upper, middle and lower, as TotalSegmentator orders them."""
    z = np.indices(phantom.lungs.array.shape)[0]
    inside = np.flatnonzero((phantom.lungs.array > 0).any(axis=(1, 2)))
    low, high = np.quantile(inside, (0.4, 0.6))
    left = np.where(z > (low + high) / 2, 1, 2)
    right = np.where(z > high, 3, np.where(z > low, 4, 5))
    return np.choose(phantom.lungs.array, [np.zeros_like(left), right, left]).astype(np.uint8)


def label_map(values, name="mask.nii.gz"):
    def build(phantom, others, folder):
        return write(phantom.lungs.with_array(values(phantom, *others)), folder / name)

    return build


def totalsegmentator(first):
    def values(phantom, front, back):
        array = np.where(front, 51, np.where(back, 5, 0)) + 0 * phantom.lungs.array
        array[(phantom.ct.array > 40) & front] = first + 10 if first == 10 else 10
        found = lobes(phantom)
        return np.where(found > 0, found + first - 1, array).astype(np.uint8)

    return label_map(values)


def with_label_table(phantom, others, folder):
    """Label 7 is the lungs by the header of the NIfTI file, and label 3 something else."""
    import nibabel

    path = label_map(lambda phantom, front, back: np.where(phantom.lungs.array > 0, 7, 3 * front).astype(np.uint8))(
        phantom, others, folder
    )
    image = nibabel.load(path)
    text = '<?xml version="1.0"?><CaretExtension><VolumeInformation Index="0"><LabelTable>'
    for key, name in ((3, "heart"), (7, "lung_left")):
        text += f'<Label Key="{key}" Red="1" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>'
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, text.encode()))
    nibabel.save(image, folder / "table.nii.gz")
    return folder / "table.nii.gz"


def folder_of_structures(phantom, others, folder):
    found = lobes(phantom)
    names = ("lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right", "lung_middle_lobe_right")
    for label, name in enumerate((*names, "lung_lower_lobe_right"), 1):
        write(phantom.lungs.with_array((found == label).astype(np.uint8)), folder / f"{name}.nii.gz")
    write(phantom.lungs.with_array(others[0].astype(np.uint8)), folder / "heart.nii.gz")
    write(phantom.lungs.with_array(others[1].astype(np.uint8)), folder / "lung_vessels.nii.gz")
    return folder


def slicer(layers, header):
    """A ``.seg.nrrd``; layers are made of (lungs, front, back), and {segment: {key: value}} is its header."""

    def build(phantom, others, folder):
        arrays = [layer.astype(np.uint8) for layer in layers(phantom.lungs.array, *others)]
        images = [phantom.lungs.with_array(array).to_image() for array in arrays]
        image = sitk.Compose(images) if len(images) > 1 else images[0]
        for number, keys in enumerate(header):
            for key, value in keys.items():
                image.SetMetaData(f"Segment{number}_{key}", str(value))
        sitk.WriteImage(image, str(folder / "mask.seg.nrrd"), useCompression=True)
        return folder / "mask.seg.nrrd"

    return build


NAMED = ({"Name": "Heart", "Layer": 0, "LabelValue": 1}, {"Name": "Lungs", "Layer": 1, "LabelValue": 2})
BY_TERM = (
    {
        "Name": "Segment_1",
        "Layer": 0,
        "LabelValue": 4,
        "Tags": f"Segmentation.Status:inprogress|TerminologyEntry:{LUNG}|",
    },
    {"Name": "Segment_2", "Layer": 0, "LabelValue": 9},
)


def segmentation(segments):
    """A DICOM segmentation; {name: mask} is made of (labels of the lungs, front, back)."""

    def build(phantom, others, folder):
        highdicom = pytest.importorskip("highdicom")
        import pydicom
        from pydicom.sr.codedict import codes

        slices = [pydicom.dcmread(path) for path in write_dicom(phantom.ct, folder / "ct", **HEADER).iterdir()]
        slices.sort(key=lambda one: one.ImagePositionPatient[2])
        masks = segments(phantom.lungs.array, *others)
        described = [
            highdicom.seg.SegmentDescription(
                number, name, codes.SCT.Organ, codes.SCT.Organ, highdicom.seg.SegmentAlgorithmTypeValues.MANUAL
            )
            for number, name in enumerate(masks, 1)
        ]
        export = highdicom.seg.Segmentation(
            slices,
            np.stack(list(masks.values()), axis=-1).astype(np.uint8),
            "BINARY",
            described,
            *(highdicom.UID(), 1, highdicom.UID(), 1, "Maker", "Model", "1", "1"),
        )
        export.save_as(folder / "mask.dcm")
        return folder / "mask.dcm"

    return build


HEADER = {
    "FrameOfReferenceUID": "1.2.3.9",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyID": "",
    "StudyDate": "",
} | dict.fromkeys(("StudyTime", "AccessionNumber", "ReferringPhysicianName"), "")


def structures(names=("Heart", "Lung_R", "Lung_L"), each=1):
    """Contours of the front tissue, the right and the left lung, as radiotherapy draws them."""

    def build(phantom, others, folder):
        pydicom = pytest.importorskip("pydicom")
        from skimage.measure import find_contours

        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.RTStructureSetStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = pydicom.uid.generate_uid()
        data.Modality = "RTSTRUCT"
        data.StructureSetROISequence, data.ROIContourSequence = [], []
        lungs = phantom.lungs
        for number, (name, mask) in enumerate(
            zip(names, (others[0], lungs.array == 1, lungs.array == 2), strict=True), 1
        ):
            roi, drawn = pydicom.Dataset(), pydicom.Dataset()
            roi.ROINumber, roi.ROIName, drawn.ReferencedROINumber, drawn.ContourSequence = number, name, number, []
            for z in range(0, len(mask), each):
                for contour in find_contours(np.pad(mask[z], 1).astype(float), 0.5):
                    points = [lungs.geometry.point_at((x - 1, y - 1, z)) for y, x in contour]
                    one = pydicom.Dataset()
                    one.ContourGeometricType, one.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
                    one.ContourData = [round(float(value), 3) for value in np.ravel(points)]
                    drawn.ContourSequence.append(one)
            data.StructureSetROISequence.append(roi)
            data.ROIContourSequence.append(drawn)
        pydicom.dcmwrite(folder / "mask.dcm", data, enforce_file_format=True)
        return folder / "mask.dcm"

    return build


def without_header(array=lambda labels: labels):
    def build(phantom, others, folder):
        labels = np.ascontiguousarray(array(phantom.lungs.array))
        return write(Volume(labels, Geometry(labels.shape[::-1])), folder / "mask.nii.gz")

    return build
