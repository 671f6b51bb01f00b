#pragma once

#include <unordered_map>

#include "evaluation/report/merge.h"
#include "evaluation/report/samples.h"

namespace emend {

// Thumbnails as data URIs, each picture file once.
class PictureBook {
 public:
  // `roots`: folders whose pictures may be shown, beside those in a run's own folder.
  explicit PictureBook(std::vector<std::string> roots = {}) : roots_(std::move(roots)) {}

  // Index into `pages`, -1 for no picture, one that cannot be read, or one that lies elsewhere
  // (symbolic links are followed first). `name` as samples.jsonl has it: beside the run's files, or
  // from where the benchmark was started.
  int64_t add(const std::string& folder, const std::string& name);

  const std::vector<std::string>& pages() const { return pages_; }
  size_t unreadable() const { return unreadable_; }
  size_t elsewhere() const { return elsewhere_; }

 private:
  bool may_be_shown(const std::string& path, const std::string& folder) const;

  std::vector<std::string> roots_;
  std::unordered_map<std::string, int64_t> known_;
  std::vector<std::string> pages_;
  size_t unreadable_ = 0, elsewhere_ = 0;
};

// What report.html shows of a block's records: {"total", "shown": [...]}. `surveys`: of the block's
// runs, in their order. At most `limit` records.
nlohmann::json page_records(const Block& block,
                            const std::vector<std::vector<SampledRecord>>& surveys, size_t limit,
                            PictureBook& pictures);

}  // namespace emend
