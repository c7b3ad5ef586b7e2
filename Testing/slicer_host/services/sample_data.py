"""``SampleData``: what modules offer as sample data, and the click on it; nothing is ever downloaded."""

from collections.abc import Callable
from dataclasses import dataclass, field

import slicer

__all__ = ["SampleDataLogic", "SampleDataSource", "downloadSample", "downloadSamples"]


@dataclass
class SampleDataSource:
    """One entry of the panel Sample Data; each list has one item per URI."""

    sampleName: str | None = None
    sampleDescription: str | None = None
    uris: str | list | None = None
    fileNames: str | list | None = None
    nodeNames: str | list | None = None
    checksums: str | list | None = None
    loadFiles: bool | list | None = None
    customDownloader: Callable | None = None
    thumbnailFileName: str | None = None
    loadFileTypes: str | list | None = None
    loadFileProperties: dict = field(default_factory=dict)

    def __post_init__(self):
        self.sampleDescription = self.sampleDescription or self.sampleName
        per_uri = ("uris", "fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes")
        if isinstance(self.uris, str):
            for name in per_uri:
                setattr(self, name, [getattr(self, name)])
        elif self.uris is not None:
            for name in set(per_uri) - {"uris", "fileNames"}:
                if getattr(self, name) is None or (name == "loadFileTypes" and isinstance(self.loadFileTypes, str)):
                    setattr(self, name, [getattr(self, name)] * len(self.uris))
        if self.uris is None:  # so it is in Slicer, in other words
            raise TypeError(f"{self.sampleName} has no uris, which Slicer wants also with a custom downloader")
        if len({len(getattr(self, name)) for name in per_uri}) != 1:
            raise ValueError(f"All fields of sample data source must have the same length: {self}")


class SampleDataLogic:
    """The sources by category, in ``slicer.modules.sampleDataSources``."""

    @staticmethod
    def registerCustomSampleDataCategory(category, title):
        _of_modules("sampleDataSourceCategories").setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
    ):
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties or {},
            checksums=checksums,
        )
        sources = _of_modules("sampleDataSources").setdefault(category, [])
        if source not in sources:
            sources.append(source)

    @staticmethod
    def categoryTitle(category):
        return _of_modules("sampleDataSourceCategories").get(category, {}).get("title", category)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = _of_modules("sampleDataSources")
        return sources if category is None else sources.get(category, [])

    def sourceForSampleName(self, sampleName):
        every = (source for sources in _of_modules("sampleDataSources").values() for source in sources)
        return next((source for source in every if source.sampleName == sampleName), None)

    def downloadFromSource(self, source):
        """Refuse. As in Slicer this goes to the URIs, whether or not there is a custom downloader."""
        raise RuntimeError(
            f"slicer_host downloads nothing, and {source.sampleName} is at {source.uris}; Slicer calls a custom "
            "downloader only where its button is clicked, which is host.click_sample"
        )

    def downloadSamples(self, sampleName):
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source is not None else []

    def downloadSample(self, sampleName):
        return self.downloadSamples(sampleName)[0]


def downloadSamples(sampleName):
    """The nodes of a sample, by its URIs."""
    return SampleDataLogic().downloadSamples(sampleName)


def downloadSample(sampleName):
    """The first node of a sample, by its URIs."""
    return SampleDataLogic().downloadSample(sampleName)


def _of_modules(name: str) -> dict:
    """A dict that Slicer keeps in ``slicer.modules``."""
    return vars(slicer.modules).setdefault(name, {})
