#include "editing/statistics/moments.h"

namespace emend {

int64_t SiteMoments::dimension() const {
  if (text.mean.defined()) return text.mean.size(0);
  if (image.mean.defined()) return image.mean.size(0);
  return first_mean.defined() ? first_mean.size(0) : 0;
}

nlohmann::json MomentsSource::to_json() const {
  auto facts = data;
  facts["samples"] = samples;
  facts["max_length"] = max_length;
  facts["seed"] = seed;
  return facts;
}

}  // namespace emend
