"""What the exercises call: each check runs the reader's answer and says what happened."""

from gdlib.checks.adaptive import check_lion, check_recipe, check_scaled
from gdlib.checks.batches import check_loader, check_noise_scale, check_stratified
from gdlib.checks.gan import check_extragradient, check_gan_steps, check_largest_dirac_lr
from gdlib.checks.generalisation import (
    check_cross_validated,
    check_customers_needed,
    check_threshold,
)
from gdlib.checks.landscape import check_accuracy, check_restarts, check_weight_std
from gdlib.checks.momentum import check_best_momentum, check_change_lr, check_ported
from gdlib.checks.noise import check_by_ones, check_genie, check_lr_for_floor, check_lr_schedule
from gdlib.checks.own import check_foretell, check_interval, check_time_split
from gdlib.checks.rates import check_fit, check_schedule, check_steps_needed
from gdlib.checks.scale import check_delayed_lr, check_ranks, check_ring
from gdlib.checks.steps import check_largest_lr, check_next_lr, check_train_network
from gdlib.checks.vae import check_kl_between, check_logistic, check_vae_loss

__all__ = [
    "check_accuracy",
    "check_best_momentum",
    "check_by_ones",
    "check_change_lr",
    "check_cross_validated",
    "check_customers_needed",
    "check_delayed_lr",
    "check_extragradient",
    "check_fit",
    "check_foretell",
    "check_gan_steps",
    "check_genie",
    "check_interval",
    "check_kl_between",
    "check_largest_dirac_lr",
    "check_largest_lr",
    "check_lion",
    "check_loader",
    "check_logistic",
    "check_lr_for_floor",
    "check_lr_schedule",
    "check_next_lr",
    "check_noise_scale",
    "check_ported",
    "check_ranks",
    "check_recipe",
    "check_restarts",
    "check_ring",
    "check_scaled",
    "check_schedule",
    "check_steps_needed",
    "check_stratified",
    "check_threshold",
    "check_time_split",
    "check_train_network",
    "check_vae_loss",
    "check_weight_std",
]
