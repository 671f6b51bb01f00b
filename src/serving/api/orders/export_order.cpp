#include "serving/api/orders/export_order.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "editing/patches/merge.h"
#include "io/files/path.h"
#include "io/strings/shell.h"
#include "serving/api/orders/command_line.h"
#include "serving/plain_name.h"
#include "serving/request_fields.h"

namespace emend {
namespace fs = std::filesystem;
namespace {

constexpr const char* kMergedPatch = "patch";
constexpr int64_t kMostRank = 1000000;

std::string ending_of(const std::string& format) {
  if (format == kMergedPatch) return ".patch";
  return exports_file(format) ? ".gguf" : "";
}

// The names of the files that were written, relative to the folder of the exports.
std::vector<std::string> written_files(const std::string& output, const std::string& more) {
  std::vector<std::string> files;
  const auto parent = fs::path(output).parent_path();
  if (is_folder(output)) {
    for (const auto& entry : fs::recursive_directory_iterator(output))
      if (is_file(entry.path())) files.push_back(fs::relative(entry.path(), parent).string());
  } else {
    files.push_back(fs::path(output).filename().string());
  }
  if (!more.empty()) files.push_back(fs::path(more).filename().string());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

ExportOrder::ExportOrder(const WorkContext& context, nlohmann::json body)
    : context_(context), body_(std::move(body)) {
  check_fields(body_, {"patches", "to", "name", "options"});
  auto formats = export_formats();
  formats.push_back(kMergedPatch);
  options_.format = required_text(body_, "to");
  if (std::find(formats.begin(), formats.end(), options_.format) == formats.end())
    refuse_request("to", fmt::format("'to' must be one of {}", fmt::join(formats, ", ")));
  name_ = required_text(body_, "name");
  if (!is_plain_name(name_)) refuse_request("name", kPlainNameRule);
  patches_ = take_patches(context_, body_);
  const auto chosen = patches_ ? *patches_ : context_.library.stack();
  if (chosen.empty() && options_.format != "gguf")
    refuse_request("patches", "no patch is active, so there is nothing to export");
  const auto given = body_.contains("options") && !body_["options"].is_null()
                         ? body_["options"]
                         : nlohmann::json::object();
  check_fields(given, {"weights_dtype", "gguf_pre", "rank", "max_error"});
  options_.dtype = text_field(given, "weights_dtype");
  if (!options_.dtype.empty() &&
      !std::set<std::string>{"stored", "bf16", "fp16", "fp32", "q8_0"}.count(options_.dtype))
    refuse_request("weights_dtype", "'weights_dtype' must be stored, bf16, fp16, fp32 or q8_0");
  options_.pre_tokenizer = text_field(given, "gguf_pre");
  if (const auto rank = whole_field(given, "rank", 0, 1, kMostRank); rank > 0)
    options_.low_rank.rank = rank;
  options_.low_rank.max_error = number_field(given, "max_error", options_.low_rank.max_error, 0, 1);
  with_request_errors("options", [&] { check_export_options(options_); });
  output_ = context_.workspace->export_path(name_) + ending_of(options_.format);
  if (path_exists(output_))
    throw ApiError(409, "conflict_error", fmt::format("there is an export '{}' already", name_),
                   "name");
}

std::string ExportOrder::title() const { return fmt::format("{} ({})", name_, options_.format); }

std::string ExportOrder::command(const std::vector<std::string>& patches) const {
  const auto file = name_ + ending_of(options_.format);
  if (options_.format == kMergedPatch) {
    if (patches.size() == 1) return "cp " + shell_quoted(patches.front()) + " " + file;
    return CommandLine("patch merge", patches).option("-o", file).text();
  }
  CommandLine line("export", context_.arguments);
  line.options("--patch", patches)
      .option("--to", options_.format)
      .option_if_given("--weights-dtype", options_.dtype)
      .option_if_given("--gguf-pre", options_.pre_tokenizer);
  if (options_.low_rank.rank) line.option("--rank", std::to_string(*options_.low_rank.rank));
  if (options_.low_rank.max_error != LowRankOptions().max_error)
    line.option("--max-error", fmt::format("{}", options_.low_rank.max_error));
  return line.option("-o", file).text();
}

nlohmann::json ExportOrder::run(JobProgress& progress) const {
  progress.part("writing");
  const auto base = open_stack(context_, patches_);
  nlohmann::json facts;
  std::string projector;
  if (options_.format == kMergedPatch) {
    const auto patch = merged(base.stack.patches());
    save_patch(output_, patch);
    facts = {{"kind", "export"}, {"format", kMergedPatch}, {"file", output_}, {"id", patch.id}};
  } else {
    auto options = options_;
    uint64_t all = 0, done = 0;
    options.begin = [&](uint64_t bytes) { all = bytes; };
    options.written = [&](uint64_t bytes) {
      done += bytes;
      progress.step(static_cast<int64_t>(done / 1'000'000), static_cast<int64_t>(all / 1'000'000));
    };
    const auto result = export_stack(context_.vlm, base.stack, output_, options);
    projector = result.projector;
    facts = to_json(result);
  }
  return {{"path", output_},
          {"files", written_files(output_, projector)},
          {"facts", facts},
          {"command", command(base.files)}};
}

}  // namespace emend
