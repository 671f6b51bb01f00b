#include "evaluation/protocol/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "io/error.h"
#include "models/generation/sampling.h"

namespace emend {
namespace {

[[noreturn]] void misshapen(const char* what) {
  throw Error("evaluation::metrics", fmt::format("{} have unequal shapes", what),
              "this is an error in emend; please report it");
}

at::Tensor checked(const at::Tensor& logits) {
  auto scores = logits.detach().to(at::kFloat);
  if (at::isnan(scores).any().item<bool>())
    refuse_nan_logits("evaluation::metrics");
  return scores;
}

// The shifted logits and labels of all teacher-forced metrics.
struct Forced {
  at::Tensor predicted;  // (B, T - 1, V)
  at::Tensor labels;     // (B, T - 1), 0 where ignored
  at::Tensor counted;    // (B, T - 1) bool
};

Forced shift(const at::Tensor& logits, const at::Tensor& labels) {
  if (logits.dim() != 3 || labels.dim() != 2 || logits.size(0) != labels.size(0) ||
      logits.size(1) != labels.size(1) || logits.size(1) < 2)
    misshapen("logits and labels");
  auto length = logits.size(1) - 1;
  auto shifted = labels.narrow(1, 1, length);
  auto counted = shifted != kIgnored;
  if (!counted.any(1).all().item<bool>())
    throw Error("evaluation::metrics", "a row has no answer position",
                "this is an error in emend; please report it");
  return {checked(logits).narrow(1, 0, length), shifted.masked_fill(~counted, 0), counted};
}

at::Tensor best(const at::Tensor& scores) {
  auto flat = scores.reshape({-1, scores.size(-1)});
  auto ids = top_ids(flat, 1, Ranking::logits_float32);
  return ids.view({scores.size(0), scores.size(1)});
}

double average(const at::Tensor& values) { return values.to(at::kDouble).mean().item<double>(); }

}  // namespace

double nll(const at::Tensor& logits, const at::Tensor& labels) {
  auto forced = shift(logits, labels);
  auto counted = forced.labels.masked_fill(~forced.counted, kIgnored);
  return answer_loss(forced.predicted, counted).item<double>();
}

double token_accuracy(const at::Tensor& logits, const at::Tensor& labels) {
  auto forced = shift(logits, labels);
  return average((best(forced.predicted) == forced.labels).masked_select(forced.counted));
}

double exact_match(const at::Tensor& logits, const at::Tensor& labels) {
  auto forced = shift(logits, labels);
  auto right = (best(forced.predicted) == forced.labels).logical_or(~forced.counted);
  return average(right.all(1));
}

namespace {

constexpr double kLargestHalf = 65504;
constexpr int64_t kRankedAtOnce = 1 << 21;  // values; each becomes a 64-bit key

at::Tensor top_ids_of(const at::Tensor& scores, int64_t k, Ranking ranking) {
  const auto round = [&](const at::Tensor& x) { return x.to(ranking.dtype).to(at::kFloat); };
  auto values = checked(scores);
  if (ranking.dtype == at::kHalf) values = values.clamp_max(kLargestHalf);  // avoids infinity
  values = round(values);
  if (ranking.on == Ranking::On::softmax) values = round(at::softmax(values, -1));
  // With the sign bit folded in, the bits of a float have the order of the float. The ID in the low
  // bits breaks ties. Adding zero turns -0 into 0.
  auto bits = (values + 0.0f).contiguous().view(at::kInt).to(at::kLong);
  auto ordered = at::where(bits < 0, -(bits.bitwise_and(0x7fffffff)), bits);
  auto ids = at::arange(values.size(1), bits.options());
  auto keys = ordered * (int64_t{1} << 31) - ids;
  return std::get<1>(keys.topk(std::min(k, values.size(1)), -1, true, true));
}

}  // namespace

at::Tensor top_ids(const at::Tensor& scores, int64_t k, Ranking ranking) {
  if (scores.dim() != 2 || scores.size(1) == 0) misshapen("scores");
  // Ranks in pieces, because ranking a whole vocabulary at many positions takes much memory.
  const auto piece = std::max<int64_t>(1, kRankedAtOnce / scores.size(1));
  std::vector<at::Tensor> ids;
  for (const auto& rows : scores.split(piece)) ids.push_back(top_ids_of(rows, k, ranking));
  return at::cat(ids);
}

double rank_agreement(const at::Tensor& before, const at::Tensor& after) {
  if (before.sizes() != after.sizes()) misshapen("ranks before and after");
  if (before.numel() == 0)
    throw Error("evaluation::metrics", "there is no position to compare",
                "this is an error in emend; please report it");
  return average(before == after);
}

double locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask,
                int64_t k, Ranking ranking) {
  if (before.sizes() != after.sizes() || before.dim() != 3 || mask.dim() != 2 ||
      before.size(0) != mask.size(0) || before.size(1) != mask.size(1))
    misshapen("logits before, after and mask");
  double sum = 0;
  for (int64_t row = 0; row < before.size(0); ++row) {
    auto real = mask[row].nonzero().squeeze(-1);
    sum += rank_agreement(top_ids(before[row].index_select(0, real), k, ranking),
                          top_ids(after[row].index_select(0, real), k, ranking));
  }
  return sum / static_cast<double>(before.size(0));
}

double kl_locality(const at::Tensor& before, const at::Tensor& after, const at::Tensor& mask) {
  if (before.sizes() != after.sizes() || before.sizes().slice(0, 2) != mask.sizes())
    misshapen("logits before, after and mask");
  auto p = at::log_softmax(checked(before), -1);
  auto q = at::log_softmax(checked(after), -1);
  auto divergence = (p.exp() * (p - q)).sum(-1);
  return average(divergence.masked_select(mask));
}

std::string normalized(const std::string& answer) {
  std::string text;
  for (unsigned char c : answer) {
    bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space)
      text += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    else if (!text.empty() && text.back() != ' ')
      text += ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

bool same_answer(const std::string& a, const std::string& b) {
  return normalized(a) == normalized(b);
}

bool begins_with_answer(const std::string& text, const std::string& answer) {
  const auto all = normalized(text), begin = normalized(answer);
  if (all == begin) return true;
  if (begin.empty() || !all.starts_with(begin)) return false;
  // Bytes above ASCII count as letters.
  const auto next = static_cast<unsigned char>(all[begin.size()]);
  return next < 128 && !std::isalnum(next);
}

}  // namespace emend
