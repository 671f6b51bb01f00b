#include "caption_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "suites/random.h"

namespace emend::photos {
namespace {

constexpr size_t kOrders = 4;
using Ngram = std::vector<std::string>;
using Counts = std::map<Ngram, int>;

Counts ngrams_of(const std::vector<std::string>& words) {
  Counts counts;
  for (size_t n = 1; n <= kOrders; ++n)
    for (size_t i = 0; i + n <= words.size(); ++i)
      ++counts[Ngram(words.begin() + static_cast<std::ptrdiff_t>(i),
                     words.begin() + static_cast<std::ptrdiff_t>(i + n))];
  return counts;
}

// What BLEU needs of one photo.
struct BleuCounts {
  std::array<double, kOrders> right{}, made{};
  double length = 0, reference_length = 0;

  void add(const BleuCounts& other) {
    for (size_t n = 0; n < kOrders; ++n) right[n] += other.right[n], made[n] += other.made[n];
    length += other.length;
    reference_length += other.reference_length;
  }
  double score() const {
    constexpr double kTiny = 1e-15, kSmall = 1e-9;  // as in coco-caption
    double product = 1;
    for (size_t n = 0; n < kOrders; ++n) product *= (right[n] + kTiny) / (made[n] + kSmall);
    const double ratio = (length + kTiny) / (reference_length + kSmall);
    return std::pow(product, 1.0 / kOrders) * (ratio < 1 ? std::exp(1 - 1 / ratio) : 1);
  }
};

struct Cooked {
  Counts caption;
  std::vector<Counts> references;
  BleuCounts bleu;
};

Cooked cook(const CaptionPair& pair) {
  Cooked cooked;
  const auto words = caption_words(pair.caption);
  cooked.caption = ngrams_of(words);
  const auto length = static_cast<double>(words.size());
  auto& bleu = cooked.bleu;
  bleu.length = length;
  std::pair<double, double> closest{1e9, 0};
  Counts most;
  for (const auto& reference : pair.references) {
    const auto own = caption_words(reference);
    cooked.references.push_back(ngrams_of(own));
    const auto size = static_cast<double>(own.size());
    closest = std::min(closest, std::pair(std::abs(size - length), size));
    for (const auto& [ngram, count] : cooked.references.back())
      most[ngram] = std::max(most[ngram], count);
  }
  bleu.reference_length = closest.second;
  for (size_t n = 0; n < kOrders; ++n)
    bleu.made[n] = std::max(0.0, length - static_cast<double>(n));
  for (const auto& [ngram, count] : cooked.caption) {
    const auto found = most.find(ngram);
    if (found != most.end()) bleu.right[ngram.size() - 1] += std::min(count, found->second);
  }
  return cooked;
}

// TF-IDF weights by order, with their norms, and the number of bigrams, which coco-caption uses as
// the length.
struct Weighed {
  std::array<std::map<Ngram, double>, kOrders> weights;
  std::array<double, kOrders> norm{};
  double length = 0;
};

Weighed weigh(const Counts& counts, const std::map<Ngram, double>& frequency, double documents) {
  Weighed result;
  for (const auto& [ngram, count] : counts) {
    const auto found = frequency.find(ngram);
    const double seen = found == frequency.end() ? 0 : std::log(std::max(1.0, found->second));
    const auto order = ngram.size() - 1;
    const double weight = count * (std::log(documents) - seen);
    result.weights[order][ngram] = weight;
    result.norm[order] += weight * weight;
    if (order == 1) result.length += count;
  }
  for (auto& norm : result.norm) norm = std::sqrt(norm);
  return result;
}

double similarity(const Weighed& caption, const Weighed& reference) {
  constexpr double kSigma = 6;
  const double difference = caption.length - reference.length;
  const double penalty = std::exp(-difference * difference / (2 * kSigma * kSigma));
  double sum = 0;
  for (size_t n = 0; n < kOrders; ++n) {
    double product = 0;
    for (const auto& [ngram, weight] : caption.weights[n]) {
      const auto found = reference.weights[n].find(ngram);
      if (found != reference.weights[n].end())
        product += std::min(weight, found->second) * found->second;
    }
    const double norms = caption.norm[n] * reference.norm[n];
    sum += (norms > 0 ? product / norms : product) * penalty;
  }
  return sum / kOrders;
}

std::vector<double> ciders_of(const std::vector<Cooked>& all) {
  std::map<Ngram, double> frequency;
  for (const auto& one : all) {
    std::set<Ngram> seen;
    for (const auto& reference : one.references)
      for (const auto& [ngram, count] : reference) seen.insert(ngram);
    for (const auto& ngram : seen) frequency[ngram] += 1;
  }
  const auto documents = static_cast<double>(all.size());
  std::vector<double> scores;
  for (const auto& one : all) {
    const auto caption = weigh(one.caption, frequency, documents);
    double sum = 0;
    for (const auto& reference : one.references)
      sum += similarity(caption, weigh(reference, frequency, documents));
    scores.push_back(10 * sum / static_cast<double>(std::max<size_t>(1, one.references.size())));
  }
  return scores;
}

double deviation(const std::vector<double>& values, double& mean) {
  const auto n = static_cast<double>(values.size());
  double squares = 0;
  mean = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / std::max(1.0, n - 1));
}

}  // namespace

std::vector<std::string> caption_words(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) || c == '\'' || c == '-' || u >= 0x80)
      words.back() += static_cast<char>(std::tolower(u));
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

CaptionScores score_captions(const std::vector<CaptionPair>& pairs) {
  std::vector<Cooked> all;
  BleuCounts whole;
  for (const auto& pair : pairs) {
    all.push_back(cook(pair));
    whole.add(all.back().bleu);
  }
  CaptionScores scores;
  scores.bleu4 = whole.score();
  std::mt19937_64 rng(mix(1));
  std::vector<double> samples;
  for (int sample = 0; sample < 200 && !all.empty(); ++sample) {
    BleuCounts some;
    for (size_t i = 0; i < all.size(); ++i) some.add(pick(all, rng).bleu);
    samples.push_back(some.score());
  }
  double mean = 0;
  scores.bleu4_error = deviation(samples, mean);
  scores.ciders = ciders_of(all);
  scores.cider_error = deviation(scores.ciders, scores.cider) /
                       std::sqrt(static_cast<double>(std::max<size_t>(1, all.size())));
  return scores;
}

}  // namespace emend::photos
