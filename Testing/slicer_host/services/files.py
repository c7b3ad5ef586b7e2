"""``slicer.app.coreIOManager()``: loads and saves scenes, and loads volumes and segmentations."""

from pathlib import Path

import slicer
import vtk


class FileManager:
    """What ``slicer.util`` loads and saves files with. Files of other types are not covered."""

    TYPES = {
        "SceneFile": (".mrb", ".mrml"),
        "SegmentationFile": (".seg.nrrd", ".seg.nhdr"),
        "VolumeFile": (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd"),
    }

    def __init__(self, scene, cache: str):
        self._scene = scene
        self._remote = slicer.vtkMRMLRemoteIOLogic()  # a scene unpacks .mrb files in this one's cache
        self._remote.SetMRMLScene(scene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(cache)
        self._remote.AddDataIOToScene()

    def fileType(self, path):
        name = Path(path).name.lower()
        return next((kind for kind, endings in self.TYPES.items() if name.endswith(endings)), "NoFile")

    def saveNodes(self, file_type, properties, messages=None):
        path = self._scene_path(file_type, properties)
        if path.endswith(".mrb"):
            return self._scene.WriteToMRB(path, None, messages)
        self._scene.SetURL(path)
        self._scene.SetRootDirectory(str(Path(path).parent))
        return bool(self._scene.Commit(path, messages))

    def loadNodes(self, file_type, properties, nodes=None, messages=None):
        load = {"VolumeFile": self._load_volume, "SegmentationFile": self._load_segmentation}.get(file_type)
        if load is None:
            return self._load_scene(self._scene_path(file_type, properties), properties, messages)
        node = load(properties, messages)
        if node is not None and nodes is not None:
            nodes.AddItem(node)
        return node is not None

    def _scene_path(self, file_type, properties):
        path = str(Path(properties["fileName"]).absolute())
        if file_type != "SceneFile" or not path.endswith(self.TYPES["SceneFile"]):
            raise NotImplementedError(f"slicer_host has no {file_type} for {path}")
        return path

    def _load_scene(self, path, properties, messages):
        clear = properties.get("clear", False)
        if path.endswith(".mrb"):
            return self._scene.ReadFromMRB(path, clear, messages)
        self._scene.SetURL(path)
        return bool(self._scene.Connect(messages) if clear else self._scene.Import(messages))

    def _load_volume(self, properties, messages):
        path = Path(properties["fileName"])
        flags = ("labelmap", "center", "singleFile", "autoWindowLevel", "discardOrientation")
        options = sum(bool(properties.get(flag)) << bit for bit, flag in enumerate(flags))
        name = properties.get("name", path.name.partition(".")[0])
        node = slicer.modules.volumes.logic().AddArchetypeVolume(str(path), name, options)
        if node is None:
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"Loading {path} - load failed.")
            return None
        if "colorNodeID" in properties:
            node.GetDisplayNode().SetAndObserveColorNodeID(properties["colorNodeID"])
        if properties.get("show", True):
            logic = slicer.app.applicationLogic()
            selection = logic.GetSelectionNode()
            is_labelmap = node.IsA("vtkMRMLLabelMapVolumeNode")
            (selection.SetActiveLabelVolumeID if is_labelmap else selection.SetActiveVolumeID)(node.GetID())
            logic.PropagateVolumeSelection()
        return node

    def _load_segmentation(self, properties, messages):
        colors = self._scene.GetNodeByID(properties["colorNodeID"]) if "colorNodeID" in properties else None
        return slicer.modules.segmentations.logic().LoadSegmentationFromFile(
            str(properties["fileName"]),
            properties.get("autoOpacities", True),
            properties.get("name", ""),
            colors,
            messages,
        )
