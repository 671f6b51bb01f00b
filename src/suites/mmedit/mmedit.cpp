#include "suites/mmedit/mmedit.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_set>

#include "io/error.h"
#include "suites/facts/row_fields.h"
#include "suites/mmedit/files.h"
#include "suites/mmedit/row.h"
#include "suites/record_index.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr const char* kMmeditPlace = "suites::mmedit";

MmeditKind kind_of(const std::string& name) {
  if (name == "e-ic" || name == "photo-caption") return MmeditKind::caption;
  return name == "mmedit-json" ? MmeditKind::any : MmeditKind::vqa;
}

const char* policy_name(MissingImages policy) {
  switch (policy) {
    case MissingImages::refuse:
      return "refuse";
    case MissingImages::skip_records:
      return "skip";
    case MissingImages::skip_probes:
      return "skip-probes";
  }
  return "";
}

class MmeditSuite : public Suite {
 public:
  MmeditSuite(const std::string& name, const SuiteOptions& options)
      : name_(name),
        kind_(kind_of(name)),
        options_(options),
        rows_(find_annotations(name, options)),
        roots_(find_image_roots(rows_, options)) {
    read_until_limit();
    if (options_.missing_images == MissingImages::refuse && missing_records_ > 0) refuse();
    if (kept_.empty())
      throw Error(
          kMmeditPlace,
          fmt::format("'{}' has no usable records: {} rows read, {} left out for empty fields, "
                      "{} for missing images{}",
                      rows_.path(), read_, left_out(), missing_records_,
                      missing_records_ > 0 ? " in " + folders() : std::string()),
          hint_when_nothing_is_left());
    kept_.shrink_to_fit();
    log_unused_fields(rows_.path(), unused_fields_);
  }

  size_t size() const override { return kept_.size(); }

  Record record(size_t index) const override {
    check_record_index(kMmeditPlace, index, kept_.size());
    const auto& kept = kept_[index];
    auto row = parse(kept.row);
    auto pictures = pictures_of(row);
    if (kept.no_rephrase) pictures.image_rephrase.clear();
    if (kept.no_m_loc) pictures.m_loc.clear();
    Record record;
    record.id = kind_ == MmeditKind::any ? fmt::format("{}-{}", name_, kept.row)
                                         : fmt::format("{}-{}-{}", name_, options_.split, kept.row);
    record.image = {pictures.image, nullptr};
    record.probes = mmedit_probes(row, pictures, options_.grid);
    record.prompt = std::move(row.src);
    record.before = std::move(row.pred);
    record.target = std::move(row.alt);
    return record;
  }

  nlohmann::json metadata() const override {
    nlohmann::json facts = {
        {"name", name_},        {"file", rows_.path()},   {"hash", rows_.hash()},
        {"rows", rows_.size()}, {"read", read_},          {"filtered", filtered_},
        {"kept", kept_.size()}, {"images", roots_.image}, {"rephrase_images", roots_.rephrase},
        {"grid", options_.grid}};
    if (kind_ != MmeditKind::any) facts["split"] = options_.split;
    if (!unused_fields_.empty()) facts["unused_fields"] = unused_fields_;
    facts["missing_images"] = {{"policy", policy_name(options_.missing_images)},
                               {"records", read_ - left_out() - kept_.size()},
                               {"files", missing_files_},
                               {"first", first_missing_},
                               {"dropped_probes", dropped_}};
    return facts;
  }

 private:
  struct Kept {
    uint32_t row;
    bool no_rephrase, no_m_loc;
  };

  MmeditRow parse(size_t index) const {
    const auto row = rows_.row(index);
    return parse_mmedit_row(RowFields(row, rows_.where(index)), kind_);
  }

  MmeditImages pictures_of(const MmeditRow& row) const {
    auto below = [](const std::string& root, const std::string& name) {
      return name.empty() ? std::string() : (fs::path(root) / name).string();
    };
    return {below(roots_.image, row.image), below(roots_.rephrase, row.image_rephrase),
            below(roots_.image, row.m_loc)};
  }

  // Reads rows until `limit` records are kept. With `refuse`, records with missing images count,
  // too.
  void read_until_limit() {
    if (rows_.size() > UINT32_MAX)
      throw Error(kMmeditPlace, fmt::format("'{}' has {} rows", rows_.path(), rows_.size()),
                  "split the file");
    // Freed after the file has been read.
    std::unordered_set<std::string> missing;
    auto lacks = [&](const std::string& path, const std::string& name) {
      std::error_code failure;
      if (path.empty() || fs::is_regular_file(path, failure)) return false;
      if (missing.insert(path).second && first_missing_.size() < 10) first_missing_.push_back(name);
      return true;
    };
    const bool refuses = options_.missing_images == MissingImages::refuse;
    const auto limit = options_.limit > 0 ? options_.limit : rows_.size();
    for (size_t complete = 0; read_ < rows_.size() && complete < limit;
         complete = kept_.size() + (refuses ? missing_records_ : 0)) {
      const auto i = read_++;
      const auto object = rows_.row(i);
      const RowFields fields(object, rows_.where(i));
      auto row = parse_mmedit_row(fields, kind_);
      fields.count_unused(unused_fields_);
      if (!row.filtered.empty()) {
        ++filtered_[row.filtered];
        continue;
      }
      auto pictures = pictures_of(row);
      bool unseen = lacks(pictures.image, row.image);
      Kept kept = {static_cast<uint32_t>(i), lacks(pictures.image_rephrase, row.image_rephrase),
                   lacks(pictures.m_loc, row.m_loc)};
      bool incomplete = unseen || kept.no_rephrase || kept.no_m_loc;
      missing_records_ += incomplete;
      without_own_image_ += unseen;
      if (unseen || (incomplete && options_.missing_images != MissingImages::skip_probes)) continue;
      if (incomplete) count_dropped(row, pictures, kept);
      kept_.push_back(kept);
    }
    missing_files_ = missing.size();
  }

  void count_dropped(const MmeditRow& row, MmeditImages pictures, const Kept& kept) {
    for (const auto& probe : mmedit_probes(row, pictures, options_.grid))
      ++dropped_[group_name(probe.group)];
    if (kept.no_rephrase) pictures.image_rephrase.clear();
    if (kept.no_m_loc) pictures.m_loc.clear();
    for (const auto& probe : mmedit_probes(row, pictures, options_.grid))
      --dropped_[group_name(probe.group)];
    for (auto it = dropped_.begin(); it != dropped_.end();)
      it = it->second == 0 ? dropped_.erase(it) : std::next(it);
  }

  size_t left_out() const {
    size_t sum = 0;
    for (const auto& [reason, count] : filtered_) sum += count;
    return sum;
  }

  std::string folders() const {
    return roots_.rephrase == roots_.image
               ? fmt::format("'{}'", roots_.image)
               : fmt::format("'{}' (rephrased images: '{}')", roots_.image, roots_.rephrase);
  }

  // A hint about options for image folders that are not yet set.
  std::string hint_about_folders() const {
    if (options_.images.empty())
      return options_.rephrase_images.empty()
                 ? "give the folders of the images with --images and --rephrase-images"
                 : "give the folder of the images with --images";
    if (options_.rephrase_images.empty())
      return "check the folder of the images, and give the folder of the rephrased images with "
             "--rephrase-images if it is different";
    return "check the folders of the images";
  }

  std::string hint_when_nothing_is_left() const {
    if (missing_records_ == 0) return "check that it is the right file";
    auto hint = hint_about_folders();
    const bool would_keep_some = without_own_image_ < read_ - left_out();
    if (options_.missing_images != MissingImages::skip_probes && would_keep_some)
      hint += ", or use --missing-images skip-probes";
    return hint;
  }

  [[noreturn]] void refuse() const {
    size_t asked = read_ - left_out();
    throw Error(
        kMmeditPlace,
        fmt::format(
            "{} of {} records of '{}' have missing images: {} files are not found in {}: {}{}",
            missing_records_, asked, rows_.path(), missing_files_, folders(),
            fmt::join(first_missing_, ", "), missing_files_ > first_missing_.size() ? ", ..." : ""),
        fmt::format(
            "{}, or continue without them: --missing-images skip keeps the {} complete records, "
            "skip-probes the {} records whose own image exists{}",
            hint_about_folders(), asked - missing_records_, asked - without_own_image_,
            options_.limit > 0 ? "; both continue until --limit is reached" : ""));
  }

  std::string name_;
  MmeditKind kind_;
  SuiteOptions options_;
  JsonRows rows_;
  size_t read_ = 0;
  ImageRoots roots_;
  std::vector<Kept> kept_;
  std::map<std::string, size_t> filtered_, dropped_, unused_fields_;
  size_t missing_records_ = 0, missing_files_ = 0, without_own_image_ = 0;
  std::vector<std::string> first_missing_;
};

}  // namespace

std::unique_ptr<Suite> open_mmedit(const std::string& name, const SuiteOptions& options) {
  return std::make_unique<MmeditSuite>(name, options);
}

}  // namespace emend
