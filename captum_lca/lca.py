"""Linguistic Correlation Analysis as a Captum neuron attribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from captum._utils.common import (
    _format_additional_forward_args,
    _format_tensor_into_tuples,
)
from captum.attr import NeuronConductance, NeuronIntegratedGradients
from captum.attr._utils.attribution import NeuronAttribution
from captum.log import log_usage
from torch import Tensor, nn

from captum_lca.activations import ModelLayer
from captum_lca.contribution_model import ContributionModel
from captum_lca.contributions import Target, class_indices, contributions
from captum_lca.probed_layers import Inputs, ProbedLayers
from captum_lca.selectors import NeuronSelector, Selector, as_selector, share_per_position


class LinguisticCorrelationAnalysis(ProbedLayers, NeuronAttribution):  # type: ignore[misc]
    """The neurons that carry a property of language, and what they say about an input.

    A linear probe with an elastic-net penalty is trained from the activations of all given layers
    to labels; its weights rank the neurons, and a neuron's contribution to the probe's logit is its
    attribution.

    Source: Durrani, Dalvi & Sajjad, "Discovering Salient Neurons in Deep NLP Models", JMLR 2023.

    Args:
        forward_func (Callable or torch.nn.Module): The model, or any function that runs it.
        layer (torch.nn.Module, str or a sequence of them): The layers whose neurons are studied.
        device_ids (list[int], optional): As in Captum, if ``forward_func`` applies a DataParallel
            model without being one.
        neuron_attr_method (Callable, optional): Captum neuron attribution that carries
            contributions back to floating-point inputs; called with a forward function and a
            layer. Default: :class:`captum.attr.NeuronIntegratedGradients`.

    Examples::

        >>> lca = LinguisticCorrelationAnalysis(model, [model.embeddings, *model.encoder.layer])
        >>> # labels: (batch, sequence), a word's class on one of its subwords, -100 elsewhere
        >>> _ = lca.fit(input_ids, labels, additional_forward_args=mask, classes=probe.classes)
        >>> ranking = lca.rank()
        >>> # input_ids: (batch, sequence); so is the result
        >>> attribution = lca.attribute(
        ...     input_ids, ranking.top(20), target="NOUN", additional_forward_args=mask
        ... )
        >>> attribution.shape == input_ids.shape
        True
    """

    def __init__(
        self,
        forward_func: Callable[..., Any],
        layer: nn.Module | str | ModelLayer | Sequence[nn.Module | str | ModelLayer],
        device_ids: list[int] | None = None,
        neuron_attr_method: Callable[..., Any] = NeuronIntegratedGradients,
    ) -> None:
        super().__init__(forward_func, layer, device_ids)
        self.neuron_attr_method = neuron_attr_method

    @log_usage(part_of_slo=True)  # type: ignore[untyped-decorator]
    def attribute(
        self,
        inputs: Inputs,
        neuron_selector: NeuronSelector,
        target: Target = None,
        additional_forward_args: object = None,
        return_convergence_delta: bool = False,
        **method_options: Any,
    ) -> Inputs | tuple[Inputs, Tensor]:
        """How much the selected neurons contribute to the probe's logit for a class.

        Args:
            inputs (Tensor or tuple[Tensor, ...]): Token ids (one integer tensor), or
                floating-point tensors such as embeddings. Dimension 0 counts the examples.
            neuron_selector (int, tuple, sequence, Tensor or Callable): Which neurons:

                - an integer: one global id, at every position;
                - a list, range or tensor of integers: several global ids, as from
                  ``ranking.top(20)``;
                - a tuple of integers and slices: as in Captum, an index into the layers' joined
                  output less its first dimension: (position, neuron) for transformers;
                - a callable: as in Captum, but applied to the contributions, which have the shape
                  of the layer's output (several layers: a tuple of tensors). It returns one scalar
                  per example and should be linear, such as a sum over some of the neurons.

            target (str, int, Tensor or sequence, optional): Class name or index, or one for each
                example. Not for a regression.
            additional_forward_args (Any, optional): As in Captum.
            return_convergence_delta (bool, optional): Also return what
                :meth:`compute_convergence_delta` gives: for all neurons, the error; for fewer, with
                the sign turned, what the others contribute. Default: False.
            **method_options: For the ``attribute`` of ``neuron_attr_method``, such as
                ``baselines``, ``n_steps``, ``internal_batch_size`` or ``perturbations_per_eval``;
                floating-point inputs only. Not ``attribute_to_neuron_input``: the probe reads what
                layers put out.

        Returns:
            Tensor or tuple[Tensor, ...], the size of ``inputs``. For token ids, each position's
            contribution Σ_j W[c, j]·(a[t, j] − mean_j)/scale_j over the selected neurons j. For
            floating-point inputs, what ``neuron_attr_method`` gives for the sum of these over all
            positions.

        Raises:
            NotFittedError: There is no probe yet.
            ValueError: No such class or neuron, inputs that are neither token ids nor floating
                point, ``attribute_to_neuron_input``, or NeuronConductance as the neuron method.
        """
        probe = self.fitted_probe()
        if method_options.pop("attribute_to_neuron_input", False):
            raise ValueError(
                "attribute_to_neuron_input: the probe reads the layers' outputs; for the input of "
                "a layer, give the module whose output it is, and fit a probe on that"
            )
        classes = class_indices(probe, target)
        select = as_selector(neuron_selector, probe.layout)
        floating = all(each.is_floating_point() for each in _format_tensor_into_tuples(inputs))
        attribute = self._carried_back if floating else self._at_the_tokens
        attributions = attribute(inputs, select, classes, additional_forward_args, method_options)
        if not return_convergence_delta:
            return attributions
        delta: Tensor = self.compute_convergence_delta(
            attributions, inputs, target, additional_forward_args, method_options.get("baselines")
        )
        return attributions, delta

    def _carried_back(
        self,
        inputs: Inputs,
        select: Selector,
        classes: int | Tensor,
        additional_forward_args: object,
        method_options: dict[str, Any],
    ) -> Inputs:
        """What the neuron method gives for the selected contributions."""
        read = ContributionModel(self, self.fitted_probe(), len(_format_tensor_into_tuples(inputs)))
        args = _format_additional_forward_args(additional_forward_args) or ()
        method = self.neuron_attr_method(read, read.contribution)
        if isinstance(method, NeuronConductance):
            raise ValueError(
                "NeuronConductance can't be the neuron_attr_method: it applies a selection of "
                "several neurons to gradients too; use it on lca.forward_func, a neuron at a time"
            )
        attributions: Inputs = method.attribute(
            inputs,
            neuron_selector=select,
            additional_forward_args=(classes, *args),
            **method_options,
        )
        return attributions

    def _at_the_tokens(
        self,
        inputs: Inputs,
        select: Selector,
        classes: int | Tensor,
        additional_forward_args: object,
        method_options: dict[str, Any],
    ) -> Inputs:
        """The selected contributions, each at the position where it arises."""
        tensors = _format_tensor_into_tuples(inputs)
        if len(tensors) != 1 or method_options:
            raise ValueError(
                "inputs must be one integer tensor of token ids, or floating-point tensors "
                "(which alone take options of the neuron method); pass masks and the like as "
                "additional_forward_args"
            )
        activations = self._activations(tensors, additional_forward_args)
        parts = contributions(activations, self.fitted_probe(), classes)
        share = share_per_position(parts, select)
        if share.shape != tensors[0].shape:
            raise ValueError(
                f"the layers have {tuple(share.shape)} positions, the inputs "
                f"{tuple(tensors[0].shape)}; contributions can't be given the size of the inputs"
            )
        return share if isinstance(inputs, Tensor) else (share,)

    @property
    def multiplies_by_inputs(self) -> bool:
        """As ``neuron_attr_method`` has it for floating-point inputs: True for the default.

        Contributions for token ids are the logit's slope times the activation less its mean.
        """
        method = self.neuron_attr_method(self.forward_func, self.layers[0].module)
        return bool(method.multiplies_by_inputs)

    def has_convergence_delta(self) -> bool:
        """True: over all neurons, contributions and the bias add up to the logit."""
        return True

    @torch.no_grad()
    def compute_convergence_delta(
        self,
        attributions: Inputs,
        inputs: Inputs,
        target: Target = None,
        additional_forward_args: object = None,
        baselines: Inputs | None = None,
    ) -> Tensor:
        """How far attributions over all neurons are from the probe's logit.

        Args:
            attributions (Tensor or tuple[Tensor, ...]): Of :meth:`attribute` with all neurons.
            inputs (Tensor or tuple[Tensor, ...]): What they were computed for.
            target (str, int, Tensor or sequence, optional): As for :meth:`attribute`.
            additional_forward_args (Any, optional): As for :meth:`attribute`.
            baselines (Tensor or tuple[Tensor, ...], optional): Those of the neuron method;
                floating-point inputs only. Default: zeros.

        Returns:
            Tensor of shape (batch,): for token ids, Σ over positions of (attribution + bias −
            logit); for floating-point inputs, the sum of the attributions less the difference of
            the summed logits between inputs and baselines.
        """
        probe = self.fitted_probe()
        classes = class_indices(probe, target)
        end: tuple[Tensor, ...] = _format_tensor_into_tuples(inputs)
        total = sum(a.flatten(1).sum(1) for a in _format_tensor_into_tuples(attributions))
        logit = self._summed_logit(end, classes, additional_forward_args)
        if end[0].is_floating_point():
            start = _format_tensor_into_tuples(baselines) or tuple(map(torch.zeros_like, end))
            reference = self._summed_logit(start, classes, additional_forward_args)
        else:
            bias = probe.bias[classes] * end[0][0].numel()
            reference = bias.to(logit.device).expand(len(logit))
        return cast(Tensor, total - (logit - reference))

    def neuron_selector(
        self, target: str | int | None, k: int, layer: nn.Module | str | None = None
    ) -> Selector:
        """The class's ``k`` most salient neurons of one layer, for Captum's neuron methods.

        For all of them but NeuronConductance. That applies a callable to the gradients at the
        layer as well, and multiplies one sum over the neurons by another: what comes out belongs
        to no neuron, whatever the callable. Conductance is additive over neurons: ask for one
        (position, index in the layer) at a time and add up what it gives.

        Args:
            target (str or int): The class; None for a regression.
            k (int): How many neurons.
            layer (torch.nn.Module or str, optional): The layer that the other method attributes to;
                one of this object's. Default: its only layer.

        Returns:
            A callable from the layer's output, (batch, …, neurons), to the contribution of these
            neurons to the probe's logit, summed over positions. Shape (batch,).

        Raises:
            ValueError: Not one of the layers, no such class, or fewer neurons than ``k``.
        """
        probe = self.fitted_probe()
        row = class_indices(probe, target)
        span = probe.layout.slice(self._layout_name(layer))
        order = (self.rank() if target is None else self.rank(target)).order
        own = order[(order >= span.start) & (order < span.stop)]
        if not 0 < k <= len(own):
            raise ValueError(f"the layer has 1 to {len(own)} neurons to select; found k={k}")
        ids = own[:k]

        def select(output: Tensor | tuple[Tensor, ...]) -> Tensor:
            tensor = output if isinstance(output, Tensor) else output[0]
            weight, mean, scale = (
                values[ids].to(tensor.device)
                for values in (probe.weight[row], probe.mean, probe.scale)
            )
            contribution = (tensor[..., ids - span.start] - mean) / scale * weight
            return contribution.flatten(1).sum(1)

        return select

    def _layout_name(self, layer: nn.Module | str | None) -> str:
        """The name under which the probe knows one of the layers."""
        layout = self.fitted_probe().layout
        for known, name in zip(self.layers, layout.layers, strict=True):
            if layer is None and len(self.layers) == 1:
                return name
            if layer is not None and layer in (known.module, known.name, known):
                return name
        raise ValueError(f"layer must be one of {[known.name for known in self.layers]}")

    def _summed_logit(
        self, inputs: tuple[Tensor, ...], classes: int | Tensor, additional_forward_args: object
    ) -> Tensor:
        """The class's logit summed over positions. Shape (batch,)."""
        logits = self.probe_logits(
            *inputs, *(_format_additional_forward_args(additional_forward_args) or ())
        )
        chosen = torch.as_tensor(classes, device=logits.device).expand(len(logits))
        index = chosen.reshape(-1, *[1] * (logits.dim() - 1)).expand(*logits.shape[:-1], 1)
        return logits.gather(-1, index).flatten(1).sum(1)
