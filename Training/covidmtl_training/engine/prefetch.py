"""Batches brought to a GPU while it still works on the one before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import torch

Batch = dict[str, torch.Tensor]


def prefetch(batches: Iterable[Batch], device: torch.device | str, stay: Collection[str] = ()) -> Iterator[Batch]:
    """Batches on a device. For a GPU each is copied one ahead, beside what the GPU computes, which then waits for none.

    Parameters
    ----------
    batches : iterable of dict of tensors
        In the processor's memory, best pinned by the loader; what is not pinned is copied once more.
    device : device
        On a CPU batches only pass through.
    stay : collection of str
        Names of tensors that stay in the processor's memory, since it reads them: from a GPU it would have to wait.
    """
    device = torch.device(device)
    if device.type != "cuda":
        for batch in batches:
            yield {name: tensor if name in stay else tensor.to(device) for name, tensor in batch.items()}
        return
    stream = torch.cuda.Stream(device)
    ahead = None
    for batch in batches:
        following = _copy(batch, device, stay, stream)
        if ahead is not None:
            yield _hand_over(*ahead, device)
        ahead = following
    if ahead is not None:
        yield _hand_over(*ahead, device)


def _copy(
    batch: Batch, device: torch.device, stay: Collection[str], stream: torch.cuda.Stream
) -> tuple[Batch, torch.cuda.Event]:
    """Begin to copy a batch; the event is when all of it is there."""
    with torch.cuda.stream(stream):
        copies = {
            name: tensor if name in stay else tensor.pin_memory().to(device, non_blocking=True)
            for name, tensor in batch.items()
        }
    return copies, stream.record_event()


def _hand_over(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    stream = torch.cuda.current_stream(device)
    stream.wait_event(copied)
    for tensor in batch.values():
        if tensor.is_cuda:
            # Else its memory would be free for the next copy as soon as Python drops it, with work still queued.
            tensor.record_stream(stream)
    return batch
