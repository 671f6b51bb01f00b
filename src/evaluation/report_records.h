#pragma once

#include <unordered_map>

#include "evaluation/report_merge.h"
#include "evaluation/report_samples.h"

namespace emend {

// Thumbnails as data URIs, each picture file once.
class PictureBook {
 public:
  // Index into `pages`, -1 for no picture or one that cannot be read. `name` as samples.jsonl has
  // it: beside the run's files, or from where the benchmark was started.
  int64_t add(const std::string& folder, const std::string& name);

  const std::vector<std::string>& pages() const { return pages_; }
  size_t unreadable() const { return unreadable_; }

 private:
  std::unordered_map<std::string, int64_t> known_;
  std::vector<std::string> pages_;
  size_t unreadable_ = 0;
};

// What report.html shows of a block's records: {"total", "shown": [...]}. `surveys`: of the block's
// runs, in their order. At most `limit` records.
nlohmann::json page_records(const Block& block,
                            const std::vector<std::vector<SampledRecord>>& surveys, size_t limit,
                            PictureBook& pictures);

}  // namespace emend
