"""What the module SegmentRefine does, by script and for its panel."""

from COVIDMTLLib.processes.command_process import Child
from COVIDMTLLib.segmentation.methods import DEFAULT_METHOD, PUBLISHED, Parameters, SegmentationOptions
from COVIDMTLLib.utils.progress import silent
from COVIDMTLMRML.lung_tables import add_lung_table, fill_lung_table, measure_lungs
from COVIDMTLMRML.runs import SegmentationRun, job_python
from COVIDMTLMRML.segmentations import add_lungs_node, labels_of
from COVIDMTLMRML.slices import point_in_slice
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLSliceNode, vtkMRMLTableNode
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .background import Background
from .refine_parameters import SegmentRefineParameterNode


class SegmentRefineLogic(ScriptedLoadableModuleLogic):
    """Segmentations by script; results are those of the command line ``covid-mtl``, to the last voxel."""

    def getParameterNode(self):
        """The parameters of the panel."""
        return SegmentRefineParameterNode(super().getParameterNode())  # type: ignore[call-arg]

    def process(
        self,
        ct: vtkMRMLScalarVolumeNode,
        output: vtkMRMLSegmentationNode | None = None,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        reference: vtkMRMLSegmentationNode | None = None,
        table: vtkMRMLTableNode | None = None,
        airways: bool = False,
        *,
        progress=silent,
    ) -> dict:
        """Segment the lungs of a CT and wait for the end. Research use only.

        :param ct: chest CT in HU.
        :param output: is given the right and the left lung; a new node if there is none.
        :param initial: lungs to start from: those that "active-contour" refines, in place of those of "classical", or
            for "robust" what is lung for certain.
        :param method: "robust", "active-contour" (Algorithm 1 of the paper) or "classical".
        :param parameters: of "active-contour" and "classical"; as published by default.
        :param reference: lungs to compare the result with.
        :param table: is given volumes and agreement; a new node if there is none.
        :param airways: give output the trachea and the main bronchi, too, which are no lung.
        :param progress: is told step, share done (0 to 1) and a line of text; what it raises cancels the run.
        :returns: segmentation and table (the nodes), measures (values by their titles) and warnings (sentences).
        :raises InputError: if the input cannot be used; ChildFailed: if the run failed for another reason.
        """
        run = SegmentationRun(ct, initial, SegmentationOptions(method, parameters, airways))
        run.wait(progress)
        return self._finish(run, output, reference, table)

    def start(
        self,
        ct: vtkMRMLScalarVolumeNode,
        output: vtkMRMLSegmentationNode | None = None,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        reference: vtkMRMLSegmentationNode | None = None,
        table: vtkMRMLTableNode | None = None,
        airways: bool = False,
        **callbacks,
    ) -> Background:
        """As process, but return at once.

        :param callbacks: progress, finished (is told the result) and failed (is told the exception).
        :returns: the run in the background, which has cancel().
        """
        run = SegmentationRun(ct, initial, SegmentationOptions(method, parameters, airways))
        return Background(run, lambda: self._finish(run, output, reference, table), **callbacks)

    def startPreview(
        self,
        ct: vtkMRMLScalarVolumeNode,
        view: vtkMRMLSliceNode,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        airways: bool = False,
        **callbacks,
    ) -> Background:
        """Segment the axial slice that a slice view shows, as the whole run would, and return at once.

        :param callbacks: as of start; finished is told a new segmentation node, which is not saved with the scene.
        """
        options = SegmentationOptions(method, parameters, airways, point_in_slice(ct, view))
        run = SegmentationRun(ct, initial, options)
        return Background(run, lambda: self._finishPreview(run), **callbacks)

    def processFile(
        self,
        ct,
        out,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        *,
        initial=None,
        airways: bool = False,
        progress=silent,
    ) -> None:
        """Segment the lungs of an image file or DICOM folder into a mask file, as ``covid-mtl segment`` does."""
        options = SegmentationOptions(method, parameters, airways).to_arguments()
        options += [] if initial is None else [f"--initial={initial}"]
        Child("segment", f"--out={out}", *options, "--", ct, python=job_python()).wait(progress)

    def _finish(self, run: SegmentationRun, output, reference, table) -> dict:
        run.check_scene()
        compare_with = None if reference is None else labels_of(reference, run.ct)
        output = output or add_lungs_node(run.ct)
        lungs, found = run.finish(output)
        assert found is not None, "a run on the whole CT measures"
        measures = measure_lungs(lungs, found["boundary_supported"]["both"], compare_with)
        table = table or add_lung_table(run.ct)
        fill_lung_table(table, measures, found["warnings"])
        return {"segmentation": output, "table": table, "measures": measures, "warnings": found["warnings"]}

    def _finishPreview(self, run: SegmentationRun) -> vtkMRMLSegmentationNode:
        run.check_scene()
        preview = add_lungs_node(run.ct, "lung preview")
        preview.SetSaveWithScene(False)
        run.finish(preview)
        preview.GetDisplayNode().SetVisibility2DFill(False)
        return preview
