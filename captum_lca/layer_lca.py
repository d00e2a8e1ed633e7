"""Linguistic Correlation Analysis as a Captum layer attribution."""

from __future__ import annotations

from captum.attr._utils.attribution import LayerAttribution
from captum.log import log_usage
from torch import Tensor

from captum_lca.contributions import Target, class_indices, contributions
from captum_lca.probed_layers import Inputs, ProbedLayers


class LayerLinguisticCorrelation(ProbedLayers, LayerAttribution):  # type: ignore[misc]
    """Every neuron's contribution to the probe's logit, shaped like the layer.

    The same probe as in :class:`~captum_lca.LinguisticCorrelationAnalysis`; where that sums the
    contributions of some neurons for each position of the input, this gives each one.

    Args:
        forward_func (Callable or torch.nn.Module): The model, or any function that runs it.
        layer (torch.nn.Module, str or a sequence of them): The layers whose neurons are studied.
        device_ids (list[int], optional): As in Captum, if ``forward_func`` applies a DataParallel
            model without being one.

    Examples::

        >>> layer_lca = LayerLinguisticCorrelation(model, model.encoder.layer[1])
        >>> _ = layer_lca.fit(input_ids, labels, mask, classes=probe.classes)
        >>> # input_ids: (batch, sequence); the result: (batch, sequence, neurons of the layer)
        >>> layer_lca.attribute(input_ids, target="NOUN", additional_forward_args=mask).shape
        torch.Size([8, ..., 384])
    """

    @log_usage(part_of_slo=True)  # type: ignore[untyped-decorator]
    def attribute(
        self, inputs: Inputs, target: Target = None, additional_forward_args: object = None
    ) -> Tensor | list[Tensor]:
        """Contributions W[c, j]·(a[t, j] − mean_j)/scale_j of all neurons at all positions.

        Args:
            inputs (Tensor or tuple[Tensor, ...]): As the forward function takes them.
            target (str, int, Tensor or sequence, optional): Class name or index, or one for each
                example. Not for a regression.
            additional_forward_args (Any, optional): As in Captum.

        Returns:
            Tensor or list[Tensor]: Shaped like the layer's output; for a sequence of layers, one
            tensor for each. Summed over neurons and layers, plus the bias: the probe's logit.

        Raises:
            NotFittedError: There is no probe yet.
            ValueError: No such class.
        """
        probe = self.fitted_probe()
        classes = class_indices(probe, target)
        tensors = self._activations(inputs, additional_forward_args)
        parts = [part.detach() for part in contributions(tensors, probe, classes)]
        return parts if len(parts) > 1 or isinstance(self.layer, list | tuple) else parts[0]

    @property
    def multiplies_by_inputs(self) -> bool:
        """True: a contribution is the logit's slope times the activation less its mean."""
        return True
