"""Gradient checkpointing: it changes nothing but the memory."""

import pytest
import torch
from benchmarks.benchmark_training_memory import peak
from COVIDMTLLib.networks import build_network

SIZES = {"squeezenet3d": (34, 36, 40), "resnet3d34": (64, 64, 64), "decovnet": (32, 34, 48)}

TASKS = [{"name": "ct", "title": "CT", "classes": ["no", "yes"]}, {"name": "s", "title": "S", "classes": list("abc")}]


def network_of(backbone):
    torch.manual_seed(0)
    shift = {"chance": 0.7, "decay_iterations": 5}
    return build_network({"architecture": "covid-mtl", "backbone": backbone, "tasks": TASKS, "shift": shift})


def two_steps(network, size, autocast=False):
    """Losses, gradients of the second step, weights, buffers and the state of Shift3D after two steps of 2 volumes."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = network(torch.randn(2, 1, *size))
        loss = sum(one.float().square().sum() for one in logits)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return losses, gradients, network.state_dict(), network.backbone.shift.resume_state()


# In bfloat16 only DeCoVNet: on CPUs PyTorch's gradients of the weights of the other two, on the smallest maps, differ
# from one time to the next.
@pytest.mark.parametrize(("backbone", "autocast"), [*((backbone, False) for backbone in SIZES), ("decovnet", True)])
def test_recomputed_steps_are_those_without(backbone, autocast):
    plain, again = network_of(backbone), network_of(backbone)
    again.backbone.recompute = True
    assert list(plain.state_dict()) == list(again.state_dict())
    losses, *tensors, shift = two_steps(plain, SIZES[backbone], autocast)
    losses_again, *tensors_again, shift_again = two_steps(again, SIZES[backbone], autocast)
    assert losses == losses_again and shift == shift_again and shift["iteration"] == 2
    for ours, theirs in zip(tensors, tensors_again, strict=True):
        for name in ours:
            assert torch.equal(ours[name], theirs[name]), name
    batches = [value for name, value in again.state_dict().items() if name.endswith("num_batches_tracked")]
    assert batches and all(count == 2 for count in batches)


def test_batch_of_the_paper_fits_a_card_of_11_gb_if_maps_are_recomputed():
    kept, recomputed = (peak("squeezenet3d", 10, (200, 250, 250), recompute) for recompute in (False, True))
    assert recomputed < 10e9 and recomputed < 0.8 * kept


def test_evaluation_and_inference_recompute_nothing():
    plain, again = network_of("decovnet").eval(), network_of("decovnet").eval()
    again.backbone.recompute = True
    volume = torch.randn(1, 1, *SIZES["decovnet"])
    with torch.inference_mode():
        for ours, theirs in zip(plain(volume), again(volume), strict=True):
            assert torch.equal(ours, theirs)
