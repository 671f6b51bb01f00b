#include "editing/editors/liveedit/networks.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <limits>

namespace emend {
namespace {

// Normally distributed with the variance 2 / (n * width): (1, n, width).
at::Tensor drawn_states(int64_t n, int64_t width, at::Generator generator, at::Device device) {
  const double deviation = std::sqrt(2 / static_cast<double>(n * width));
  return at::mul(at::randn({1, n, width}, generator), deviation).to(device).requires_grad_();
}

CrossAttention attention(const LiveEditSizes& sizes, int64_t values, at::Generator generator,
                         at::Device device) {
  return {{sizes.module_dim, sizes.width, sizes.module_dim, values, sizes.heads},
          generator,
          device};
}

at::Generator seeded(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

}  // namespace

RoutingFeatures::RoutingFeatures(const LiveEditSizes& sizes, at::Generator generator,
                                 at::Device device)
    : picture_norm_(TrainedNorm::of(sizes.width, device)),
      text_norm_(TrainedNorm::of(sizes.width, device)),
      picture_query_(drawn_states(sizes.routing_queries, sizes.module_dim, generator, device)),
      text_query_(drawn_states(sizes.routing_queries, sizes.module_dim, generator, device)),
      prompt_(attention(sizes, sizes.module_dim, generator, device)),
      picture_(attention(sizes, sizes.module_dim, generator, device)),
      text_(attention(sizes, sizes.module_dim, generator, device)) {}

at::Tensor RoutingFeatures::question_summary(const QuestionStates& states) const {
  return prompt_(picture_query_, picture_norm_(states.hidden), states.question);
}

at::Tensor RoutingFeatures::picture(const QuestionStates& states) const {
  return picture_(question_summary(states), picture_norm_(states.hidden), states.picture);
}

at::Tensor RoutingFeatures::picture(const QuestionStates& states, const at::Tensor& other) const {
  const auto all = at::ones({1, other.size(1)}, states.picture.options());
  return picture_(question_summary(states), picture_norm_(other), all);
}

at::Tensor RoutingFeatures::text(const QuestionStates& states) const {
  return text_(text_query_, text_norm_(states.hidden), states.question);
}

void RoutingFeatures::add_to(NamedTensors& all, const std::string& name) const {
  picture_norm_.add_to(all, name + ".picture.norm");
  all.emplace_back(name + ".picture.query", picture_query_);
  prompt_.add_to(all, name + ".picture.prompt_attention");
  picture_.add_to(all, name + ".picture.attention");
  text_norm_.add_to(all, name + ".text.norm");
  all.emplace_back(name + ".text.query", text_query_);
  text_.add_to(all, name + ".text.attention");
}

ExpertGenerator::Factor::Factor(const LiveEditSizes& sizes, at::Generator generator,
                                at::Device device)
    : norm(TrainedNorm::of(sizes.width, device)),
      query(drawn_states(sizes.rank, sizes.module_dim, generator, device)),
      attention(emend::attention(sizes, sizes.width, generator, device)),
      scale(1 / (sizes.scale * std::sqrt(static_cast<double>(sizes.rank)))) {}

at::Tensor ExpertGenerator::Factor::of(const QuestionStates& edits) const {
  const auto read = edits.picture.logical_or(edits.question).logical_or(edits.answer);
  return attention(query, norm(edits.hidden), read) * scale;
}

void ExpertGenerator::Factor::add_to(NamedTensors& all, const std::string& name) const {
  norm.add_to(all, name + ".norm");
  all.emplace_back(name + ".query", query);
  attention.add_to(all, name + ".attention");
}

ExpertGenerator::ExpertGenerator(const LiveEditSizes& sizes, uint64_t seed, at::Device device)
    : ExpertGenerator(sizes, seeded(seed), device) {}

ExpertGenerator::ExpertGenerator(const LiveEditSizes& sizes, at::Generator generator,
                                 at::Device device)
    : features_(sizes, generator, device),
      down_(sizes, generator, device),
      up_(sizes, generator, device) {}

Experts ExpertGenerator::experts(const QuestionStates& edits) const {
  return {down_.of(edits), up_.of(edits)};
}

NamedTensors ExpertGenerator::parameters() const {
  NamedTensors all;
  features_.add_to(all, "edit");
  down_.add_to(all, "expert.down");
  up_.add_to(all, "expert.up");
  return all;
}

ExpertRouter::ExpertRouter(const LiveEditSizes& sizes, uint64_t seed, at::Device device)
    : ExpertRouter(sizes, seeded(seed), device) {}

ExpertRouter::ExpertRouter(const LiveEditSizes& sizes, at::Generator generator, at::Device device)
    : features_(sizes, generator, device),
      sentinel_(drawn_states(sizes.picture_tokens, sizes.width, generator, device)),
      norm_(TrainedNorm::of(sizes.width, device)) {}

at::Tensor ExpertRouter::sentinel(const QuestionStates& states) const {
  return features_.picture(states, sentinel_);
}

NamedTensors ExpertRouter::parameters() const {
  NamedTensors all;
  features_.add_to(all, "input");
  all.emplace_back("sentinel", sentinel_);
  norm_.add_to(all, "input.norm");
  return all;
}

namespace {

double similarity_scale(const at::Tensor& features) {
  return 1 / (static_cast<double>(features.size(1)) *
              std::sqrt(static_cast<double>(features.size(2))));
}

}  // namespace

at::Tensor feature_similarity(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.flatten(1), b.flatten(1).t()) * similarity_scale(a);
}

at::Tensor own_similarity(const at::Tensor& a, const at::Tensor& b) {
  return (a * b).flatten(1).sum(1) * similarity_scale(a);
}

at::Tensor expert_weights(const at::Tensor& similarity, const at::Tensor& mask, bool soft) {
  const auto used = mask.to(at::kFloat);
  if (!soft) return used / used.sum(1, /*keepdim=*/true).clamp_min(1);
  const auto compared =
      similarity.masked_fill(mask.logical_not(), std::numeric_limits<float>::lowest());
  return compared.softmax(1) * similarity.sigmoid() * used;
}

at::Tensor expert_output(const at::Tensor& normalized, const Experts& experts,
                         const at::Tensor& weights) {
  const auto rank = experts.down.size(1);
  const auto read = at::relu(at::matmul(normalized, experts.down.flatten(0, 1).t()));
  return at::matmul(read * weights.repeat_interleave(rank, 1).unsqueeze(1),
                    experts.up.flatten(0, 1));
}

}  // namespace emend
