#pragma once

namespace xattn {

/// The x in [0, 1] below which a beta distribution has the probability p: scipy.stats.beta.ppf.
double beta_quantile(double p, double alpha, double beta);

}  // namespace xattn
