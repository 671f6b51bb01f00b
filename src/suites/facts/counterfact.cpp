#include "suites/facts/counterfact.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "io/error.h"
#include "suites/facts/fact_row.h"
#include "suites/facts/json_rows.h"
#include "suites/record_index.h"

namespace emend {
namespace {

using Json = nlohmann::json;
constexpr const char* kCounterfactPlace = "suites::counterfact";

bool is_question(const std::string& text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  return end != std::string::npos && text[end] == '?';
}

class CounterFactSuite : public Suite {
 public:
  CounterFactSuite(const std::string& name, const SuiteOptions& options)
      : name_(name), rows_(data_file(name, options)) {
    const auto limit = options.limit > 0 ? options.limit : rows_.size();
    while (read_ < rows_.size() && kept_.size() < limit) read_row(read_++);
    if (kept_.empty())
      throw Error(kCounterfactPlace,
                  fmt::format("'{}' has no usable records: {} rows read, all left out ({})",
                              rows_.path(), read_, reasons()),
                  "check that it is the right file");
    log_unused_fields(rows_.path(), unused_fields_);
  }

  size_t size() const override { return kept_.size(); }
  bool completions() const override { return !questions_; }

  Record record(size_t index) const override {
    check_record_index(kCounterfactPlace, index, kept_.size());
    const auto row = rows_.row(kept_[index]);
    const auto fact = parse_fact_row(RowFields(row, rows_.where(kept_[index])));
    Record record;
    record.id = fmt::format("{}-{}", name_, kept_[index]);
    record.prompt = fact.prompt;
    record.before = fact.before;
    record.target = fact.target;
    record.subject = fact.subject;
    record.truth = fact.truth;
    const auto add = [&](Group group, const std::string& text, const std::string& answer,
                         const std::string& alternative = {}) {
      record.probes.push_back({group, {}, text, answer});
      if (fact.compares_truth) record.probes.back().alternative = alternative;
    };
    add(Group::reliability, fact.prompt, fact.target, fact.truth);
    for (const auto& text : fact.rewordings)
      add(Group::text_generality, text, fact.target, fact.truth);
    for (const auto& [text, answer] : fact.locality)
      add(Group::text_locality, text, answer, fact.target);
    for (const auto& [text, answer] : fact.portability) add(Group::portability, text, answer);
    return record;
  }

  Json metadata() const override {
    Json facts = {{"name", name_},
                  {"file", rows_.path()},
                  {"hash", rows_.hash()},
                  {"forms", forms_},
                  {"prompts", questions_ ? "questions" : "beginnings of sentences"},
                  {"rows", rows_.size()},
                  {"read", read_},
                  {"filtered", filtered_},
                  {"kept", kept_.size()},
                  {"missing_images", {{"records", 0}, {"files", 0}, {"first", Json::array()}}}};
    if (!unused_fields_.empty()) facts["unused_fields"] = unused_fields_;
    return facts;
  }

 private:
  void read_row(size_t index) {
    const auto row = rows_.row(index);
    const RowFields fields(row, rows_.where(index));
    const auto fact = parse_fact_row(fields);
    if (name_ != "counterfact" && fact.form != name_)
      throw Error(kCounterfactPlace,
                  fmt::format("'{}' has the format of {}", fields.where(), fact.form),
                  fact.form == "counterfact"
                      ? "use --suite counterfact"
                      : fmt::format("use --suite {}, or --suite counterfact, which reads every "
                                    "format",
                                    fact.form));
    if (!fact.filtered.empty()) {
      ++filtered_[fact.filtered];
      return;
    }
    fields.count_unused(unused_fields_);
    ++forms_[fact.form];
    questions_ = questions_ && is_question(fact.prompt);
    kept_.push_back(index);
  }

  std::string reasons() const {
    std::vector<std::string> all;
    for (const auto& [reason, count] : filtered_)
      all.push_back(fmt::format("{}: {}", reason, count));
    return fmt::format("{}", fmt::join(all, ", "));
  }

  static const std::string& data_file(const std::string& name, const SuiteOptions& options) {
    if (options.data.empty())
      throw Error(kCounterfactPlace, fmt::format("{} needs a data file", name),
                  "give the file with --data");
    for (const auto& [given, option] :
         {std::pair(!options.images.empty(), "--images"),
          std::pair(!options.rephrase_images.empty(), "--rephrase-images"),
          std::pair(options.grid, "--grid")})
      if (given)
        throw Error(kCounterfactPlace, fmt::format("{} has no pictures", name),
                    fmt::format("remove {}, or use another suite", option));
    return options.data;
  }

  std::string name_;
  JsonRows rows_;
  size_t read_ = 0;
  std::vector<size_t> kept_;
  bool questions_ = true;
  std::map<std::string, size_t> filtered_, unused_fields_, forms_;
};

}  // namespace

std::unique_ptr<Suite> open_counterfact(const std::string& name, const SuiteOptions& options) {
  return std::make_unique<CounterFactSuite>(name, options);
}

}  // namespace emend
