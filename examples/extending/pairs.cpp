#include "examples/extending/pairs.h"

#include <algorithm>

#include "io/error.h"
#include "suites/facts/json_rows.h"
#include "suites/facts/row_fields.h"

namespace emend {
namespace {

class PairsSuite : public Suite {
 public:
  explicit PairsSuite(const SuiteOptions& options) : rows_(options.data) {
    size_ = options.limit > 0 ? std::min(options.limit, rows_.size()) : rows_.size();
    for (size_t i = 0; i < size_; ++i) record(i);  // finds every error now
  }

  size_t size() const override { return size_; }

  // The same options and index always give the same record.
  Record record(size_t index) const override {
    const auto row = rows_.row(index);
    const RowFields fields(row, rows_.where(index));  // errors name file, row and field
    Record record;
    record.id = "pairs-" + std::to_string(index);
    record.prompt = fields.text("question");  // without a template: the protocol adds it
    record.target = fields.answer("answer");  // without a leading space
    record.probes.push_back({Group::reliability, {}, record.prompt, record.target});
    for (const auto& text : fields.texts("rephrase"))
      record.probes.push_back({Group::text_generality, {}, text, record.target});
    return record;
  }

  // Goes into results.json.
  nlohmann::json metadata() const override {
    const auto none = nlohmann::json::array();
    return {{"name", "pairs"},
            {"file", rows_.path()},
            {"hash", rows_.hash()},
            {"rows", rows_.size()},
            {"read", size_},
            {"filtered", nlohmann::json::object()},
            {"kept", size_},
            {"missing_images", {{"records", 0}, {"files", 0}, {"first", none}}}};
  }

 private:
  JsonRows rows_;
  size_t size_ = 0;
};

}  // namespace

std::unique_ptr<Suite> open_pairs(const SuiteOptions& options) {
  if (options.data.empty())
    throw Error("suites::pairs", "pairs needs a data file", "give the file with --data");
  return std::make_unique<PairsSuite>(options);
}

}  // namespace emend
