#include "schedulers/beta_distribution.h"

#include <cmath>
#include <initializer_list>

namespace xattn {
namespace {

/// Lentz's continued fraction of the incomplete beta function (DLMF 8.17.22), for x below the mean.
double continued_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300, kNear = 1e-16;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
  double result = d;
  for (int m = 1; m <= 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
      c = 1 + term / c;
      if (std::fabs(c) < kTiny) c = kTiny;
      change = c * d;
      result *= change;
    }
    if (std::fabs(change - 1) < kNear) break;
  }
  return result;
}

/// The probability below x.
double probability(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double factor = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                 a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return factor * continued_fraction(x, a, b) / a;
  return 1 - factor * continued_fraction(1 - x, b, a) / b;
}

}  // namespace

double beta_quantile(double p, double alpha, double beta) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  // Near 1 by symmetry, where x itself has too few digits.
  if (p > 0.5) return 1 - beta_quantile(1 - p, beta, alpha);
  double low = 0, high = 1;
  for (int i = 0; i < 200 && low < high; ++i) {
    // Halving the logarithm first: quantiles of small p are very small.
    const double middle = low == 0 && high > 1e-3 ? high / 8 : (low + high) / 2;
    if (middle == low || middle == high) break;
    (probability(middle, alpha, beta) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace xattn
