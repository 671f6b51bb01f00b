#include "editing/statistics/site_collector.h"

#include "io/error.h"

namespace emend {
namespace {

bool is_language(const Model& model, const Site& site) {
  return model.stages()[site.stage].module == Module::language;
}

}  // namespace

SiteCollector::SiteCollector(const Model& model, const Site& site)
    : site_(site),
      language_(is_language(model, site)),
      text_(site.in),
      image_(site.in),
      first_sum_(at::zeros({site.in}, at::kDouble)) {}

Intervention SiteCollector::observer(const PositionKinds& kinds) {
  return Intervention::input(site_.name, [this, &kinds](const at::Tensor& x) {
    const auto inputs = x.reshape({-1, x.size(-1)});
    if (!language_) {
      image_.add(inputs);
      return x;
    }
    text_.add(inputs.index_select(0, kinds.text));
    image_.add(inputs.index_select(0, kinds.image));
    first_count_ += kinds.first.size(0);
    first_sum_ += inputs.index_select(0, kinds.first).to(at::kCPU, at::kDouble).sum(0);
    return x;
  });
}

PackedMoments SiteCollector::moments() {
  PackedMoments moments;
  moments.site = site_.name;
  moments.dimension = site_.in;
  moments.text_count = text_.count();
  moments.image_count = image_.count();
  moments.first_count = first_count_;
  moments.text = text_.packed_mean();
  moments.image = image_.packed_mean();
  if (first_count_ > 0)
    moments.first = (first_sum_ / static_cast<double>(first_count_)).to(at::kFloat);
  return moments;
}

void SiteCollector::sum_over(ProcessGroup& group) {
  text_.sum_over(group);
  image_.sum_over(group);
  const auto count = at::tensor({first_count_}, at::kLong);
  group.sum({count, first_sum_});
  first_count_ = count.item<int64_t>();
}

void SiteCollector::save(std::map<std::string, at::Tensor>& tensors) const {
  text_.save(site_.name + "/text", tensors);
  image_.save(site_.name + "/image", tensors);
  tensors[site_.name + "/first.count"] = at::tensor({first_count_}, at::kLong);
  tensors[site_.name + "/first.sum"] = first_sum_;
}

void SiteCollector::load(const std::map<std::string, at::Tensor>& tensors) {
  text_.load(site_.name + "/text", tensors);
  image_.load(site_.name + "/image", tensors);
  const auto count = tensors.find(site_.name + "/first.count");
  const auto sum = tensors.find(site_.name + "/first.sum");
  if (count == tensors.end() || sum == tensors.end() || count->second.numel() != 1 ||
      sum->second.scalar_type() != at::kDouble || sum->second.sizes() != first_sum_.sizes())
    throw Error("editing::statistics", "the saved state has no sum of position 0",
                "use --restart to start again");
  first_count_ = count->second.item<int64_t>();
  first_sum_ = sum->second.clone();
}

uint64_t SiteCollector::bytes(const Model& model, const Site& site) {
  const auto d = static_cast<uint64_t>(site.in);
  const uint64_t kind = d * d * sizeof(double) + d * MomentAccumulator::kBlock * sizeof(float);
  return is_language(model, site) ? 2 * kind : kind;
}

}  // namespace emend
