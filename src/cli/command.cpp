#include "cli/command.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "editing/patches/merge.h"
#include "editing/registry.h"
#include "editing/statistics/moments_file.h"
#include "io/error.h"
#include "io/log.h"
#include "io/runtime.h"
#include "io/strings/comma_list.h"

namespace emend::cli {
namespace fs = std::filesystem;

void add_common(CLI::App& command, Common& common, bool model) {
  if (model)
    command.add_option("-m,--model", common.model,
                       "Hugging Face folder of the model; default: the bundled model");
  command
      .add_option("-t,--threads", common.threads, "number of threads; 0: chosen for this machine")
      ->check(whole_number(0, 1024));
  command.add_option("--device", common.device, "device to compute on")
      ->check(one_of({"cpu", "cuda"}));
  command
      .add_option(
          "--dtype", common.dtype,
          "compute dtype. auto: the stored dtype, except that 16-bit models are computed in fp32, "
          "with 16-bit weights, where this is more exact (fp16) or faster (bf16 on a processor "
          "without AVX-512). fp16: CUDA only")
      ->check(one_of({"auto", "fp32", "bf16", "fp16"}));
  command.add_option("--seed", common.seed, "random seed")->check(whole_number(0, INT64_MAX));
  if (model)
    command.add_flag("--no-chat-template", common.no_chat_template,
                     "do not apply the model's chat template");
  if (model)
    command.add_option("--date", common.date, "date for chat templates that contain today's date")
        ->check(date());
  command.add_flag("--json", common.json, "print one JSON object instead of text");
  // A callback runs during parsing, so that messages about later options are logged, too.
  command.add_flag_callback(
      "-v,--verbose",
      [&common] {
        common.verbose = true;
        logger().set_level(spdlog::level::debug);
      },
      "verbose logging");
}

void add_prompt_options(CLI::App& command, PromptOptions& options) {
  auto* pattern = command.add_option(
      "--template", options.pattern,
      "prompt template with {} in place of the question. Default: \"Question: {} Short answer:\" "
      "for text that ends in ?, else the text alone; for a model with a chat template, always the "
      "text alone");
  command.add_flag("--bare", options.bare, "use the text alone as the prompt (--template \"{}\")")
      ->excludes(pattern);
}

void add_protocol_options(CLI::App& command, ProtocolOptions& options, const std::string& meaning) {
  command.add_option("--protocol", options.name, meaning)
      ->check(one_of(protocol_names()))
      ->capture_default_str();
  command
      .add_option("--bos", options.bos,
                  "BOS token before a text. auto: as the protocol defines, unless the model's "
                  "config.json requires one (text_requires_bos)")
      ->check(one_of({"auto", "always", "never"}))
      ->capture_default_str();
  command
      .add_option(
          "--ranking-dtype", options.ranking_dtype,
          "dtype in which locality ranks logits and softmax. auto: as the protocol defines; "
          "for mmedit-2024 and easyedit-trainer, the stored dtype of the model")
      ->check(one_of({"auto", "float32", "float16", "bfloat16"}))
      ->capture_default_str();
}

Protocol make_protocol(const ProtocolOptions& options) {
  auto protocol = emend::make_protocol(options.name);
  if (options.bos == "always") protocol.bos = Protocol::Bos::always;
  if (options.bos == "never") protocol.bos = Protocol::Bos::never;
  if (options.ranking_dtype == "float32") protocol.ranking_dtype = at::kFloat;
  if (options.ranking_dtype == "float16") protocol.ranking_dtype = at::kHalf;
  if (options.ranking_dtype == "bfloat16") protocol.ranking_dtype = at::kBFloat16;
  return protocol;
}

void prepare(const Common& common) {
  set_threads(common.threads);
  warn_if_blas_is_slow();
  if (common.device == "cuda" && !at::hasCUDA())
    throw Error("cli::device", "no CUDA device is available",
                "remove --device, or build with a CUDA version of LibTorch");
}

std::string model_folder(const Common& common) {
  if (!common.model.empty()) return common.model;
  if (const char* named = std::getenv("EMEND_MODEL"); named && *named) return named;
  std::error_code error;
  // PREFIX/bin/emend or SOURCE/build/emend.
  const auto root = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  for (const char* folder : {"share/emend/models/scenes-blip2", "models/scenes-blip2"})
    if (fs::exists(root / folder / "config.json", error)) return (root / folder).string();
  throw Error("cli::model", "no model is given, and the bundled model was not found",
              fmt::format("name a Hugging Face folder with -m FOLDER (searched {} and {})",
                          (root / "share/emend/models").string(), (root / "models").string()));
}

// Small models run slower with several threads: two threads are three times slower than one on the
// bundled model.
int threads_for(const std::string& folder) {
  constexpr uintmax_t kSmall = 256u << 20;  // bytes of weights
  uintmax_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code unknown;
    const auto size = at->file_size(unknown);
    const auto& path = at->path();
    const bool weights = path.extension() == ".safetensors" && path.filename() != kStatisticsFile;
    if (weights && !unknown) bytes += size;
  }
  return bytes < kSmall ? 1 : 0;
}

Vlm open_model(const Common& common) {
  prepare(common);
  if (common.threads == 0) set_threads(threads_for(model_folder(common)));
  LoadOptions options;
  options.dtype = named_dtype(common.dtype);
  options.device = common.device == "cuda" ? at::Device(at::kCUDA) : at::Device(at::kCPU);
  options.chat_template = !common.no_chat_template;
  options.date = common.date;
  auto vlm = load_vlm(model_folder(common), options);
  if (vlm.processor.asks_with_date() && common.date.empty())
    logger().debug("the chat template contains today's date; set --date for reproducible prompts");
  return vlm;
}

void add_suite_files(CLI::App& command, SuiteOptions& suite) {
  command.add_option("--data", suite.data,
                     "annotation file, or folder of the published dataset; for several suites: one "
                     "path for all, or one for each, separated by commas");
  command.add_option("--images", suite.images, "folder that image names are relative to");
  command.add_option("--rephrase-images", suite.rephrase_images,
                     "folder that names of rephrased images are relative to; default: --images");
}

void check_suite_options(const CLI::App& command, const std::string& suites) {
  const auto is_given = [&](const std::string& option) {
    const auto* found = command.get_option_no_throw("--" + option);
    return found && !found->empty();
  };
  std::map<std::string, std::vector<std::string>> owners;  // the suites that have an option
  for (const auto& info : suite_infos())
    for (const auto& option : info.options) owners[option].push_back(info.name);
  if (suites.empty()) {
    std::vector<std::string> options = {"data",     "images", "rephrase-images", "limit",
                                        "protocol", "bos",    "ranking-dtype"};
    for (const auto& [option, having] : owners) options.push_back(option);
    for (const auto& option : options)
      if (is_given(option))
        throw Error("cli::suite", fmt::format("--{} has no effect without a suite", option),
                    fmt::format("add --suite NAME, or remove --{}", option));
    return;
  }
  const auto names = comma_list(suites);
  for (const auto& [option, having] : owners)
    if (is_given(option) &&
        std::find_first_of(names.begin(), names.end(), having.begin(), having.end()) == names.end())
      throw Error("cli::suite", fmt::format("--{} has no effect with --suite {}", option, suites),
                  fmt::format("remove --{}; suites with this option: {}", option,
                              fmt::join(having, ", ")));
}

Vlm open_model(Common& common, const Suite& suite) {
  if (suite.completions()) common.no_chat_template = true;
  auto vlm = open_model(common);
  if (!vlm.model->reads_pictures() && suite.record(0).image.present())
    throw Error("cli::model",
                fmt::format("'{}' is a text-only model, but the suite has questions about pictures",
                            vlm.folder),
                "use a vision-language model, or a text suite such as --suite counterfact");
  return vlm;
}

namespace {

// Warns when a patch was made on top of another patch that is not applied.
void check_made_on(const PatchStack& stack, const Patch& patch, const std::string& path) {
  const auto requests =
      patch.request.is_array() ? patch.request : nlohmann::json::array({patch.request});
  std::set<std::string> missing;
  for (const auto& request : requests)
    if (request.is_object() && request.contains("on_patches"))
      for (const auto& id : request["on_patches"])
        if (id.is_string()) missing.insert(id.get<std::string>());
  for (const auto& id : contained_ids(patch)) missing.erase(id);
  for (const auto& other : stack.patches())
    for (const auto& id : contained_ids(other)) missing.erase(id);
  for (const auto& id : missing)
    logger().warn(
        "{} was made on top of the patch {}, which is not applied before it. Hint: name that patch "
        "first, with --patch",
        path, id);
}

}  // namespace

PatchStack open_patches(const Vlm& vlm, const std::vector<std::string>& paths) {
  PatchStack stack;
  for (const auto& path : paths) {
    auto patch = load_patch(path);
    check_made_on(stack, patch, path);
    stack.apply(vlm, std::move(patch));
  }
  return stack;
}

Picture open_picture(const std::string& path) {
  Picture picture;
  if (path.empty()) return picture;
  picture.path = path;
  picture.drawn = std::make_shared<const Image>(read_image(path));
  return picture;
}

void warn_without_effect(const EditorSpec& spec) {
  const auto info = editor_info(spec.name);
  if (!info.without_effect) return;
  for (const auto& sentence : info.without_effect(spec.settings))
    logger().warn("{}: {}", spec.label, sentence);
}

void log_ignored_keys(const std::string& path, const std::vector<Hparams::Ignored>& ignored) {
  if (ignored.empty()) return;
  logger().info("{}: {} no effect{}", path,
                ignored.size() == 1 ? "1 key has" : fmt::format("{} keys have", ignored.size()),
                logger().should_log(spdlog::level::debug) ? "" : " (--verbose lists them)");
  for (const auto& [key, reason] : ignored)
    logger().debug("{}: {} has no effect: {}", path, key, reason);
}

nlohmann::json run_facts(const Common& common, const std::optional<Precision>& precision) {
  nlohmann::json facts = {{"version", EMEND_VERSION},
                          {"threads", at::get_num_threads()},
                          {"device", common.device},
                          {"dtype", common.dtype},
                          {"chat_template", !common.no_chat_template},
                          {"seed", common.seed}};
  if (precision) facts.update(precision_facts(*precision));
  if (!common.date.empty()) facts["date"] = common.date;
  return facts;
}

void print_json(const nlohmann::json& value) {
  std::cout << value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace emend::cli
