#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <iostream>

#include "cli/command.h"
#include "evaluation/protocol/protocol.h"
#include "io/log.h"
#include "io/runtime.h"
#include "models/caching/activation_store.h"

namespace emend::cli {
namespace {

struct AskArguments {
  Common common;
  PromptOptions prompting;
  std::string text;
  std::vector<std::string> images, patches;
  GenerationOptions generation;
  std::optional<int64_t> max_new_tokens;
};

// The warning for a truncated answer; empty when the answer is complete.
std::string cut_note(const Answer& answer, const GenerationOptions& options, const Model& model) {
  switch (answer.finish_reason) {
    case FinishReason::stop:
    case FinishReason::cancelled:
      return {};
    case FinishReason::max_new_tokens:
      return fmt::format("the answer was truncated after {} tokens (--max-new-tokens)",
                         options.max_new_tokens);
    case FinishReason::max_length:
      return "the answer was truncated at max_length of generation_config.json";
    case FinishReason::max_position_embeddings:
      return fmt::format(
          "the answer was truncated: the model has {} positions (max_position_embeddings)",
          model.max_positions());
  }
  return {};
}

// The generation settings of the answer, with those of the folder that were applied.
nlohmann::json generation_facts(const GenerationConfig& config, const GenerationOptions& options) {
  nlohmann::json facts = config.applied();
  facts["max_new_tokens"] = options.max_new_tokens;
  facts["do_sample"] = options.temperature > 0;
  if (options.temperature > 0) {
    facts["temperature"] = options.temperature;
    facts["top_p"] = options.top_p;
  }
  auto ignored = config.not_implemented;
  ignored.insert(ignored.end(), config.sampling.begin(), config.sampling.end());
  if (!ignored.empty()) facts["not_applied"] = ignored;
  return facts;
}

void ask(const AskArguments& arguments) {
  auto begin = std::chrono::steady_clock::now();
  const auto& common = arguments.common;
  Query query;
  for (const auto& file : arguments.images) query.add(open_picture(file).load());
  auto vlm = open_model(common);
  auto stack = open_patches(vlm, arguments.patches);
  const bool wraps = vlm.processor.wraps(query.image.has_value());
  auto prompt =
      fill_template(prompt_template(arguments.prompting, arguments.text, wraps), arguments.text);
  const auto formatted_prompt = vlm.processor.prompt(prompt, query.pictures());
  query.text = prompt;
  auto generation = arguments.generation;
  generation.seed = static_cast<uint64_t>(common.seed);
  const auto& config = vlm.processor.generation;
  if (arguments.max_new_tokens)
    generation.max_new_tokens = *arguments.max_new_tokens;
  else if (config.max_new_tokens > 0)
    generation.max_new_tokens = config.max_new_tokens;
  if (generation.temperature == 0 && !config.sampling.empty())
    logger().info(
        "generation_config.json sets {}, which is ignored; decoding is greedy unless --temperature "
        "is set",
        fmt::join(config.sampling, ", "));
  // The store is shared, so that the memory of a patch reuses the features of the picture.
  ActivationStore store(ActivationStore::Options{});
  const auto answer =
      generate_answers(vlm, {query}, stack.interventions(vlm, &store), generation, &store).at(0);
  if (const auto note = cut_note(answer, generation, *vlm.model); !note.empty())
    logger().warn(note);
  if (!common.json) {
    if (common.verbose) std::cout << formatted_prompt << "\n";
    std::cout << answer.text << "\n";
    return;
  }
  auto result = run_facts(common, vlm.precision);
  const bool complete = answer.finish_reason == FinishReason::stop;
  result["answer"] = answer.text;
  result["finish_reason"] = complete ? "stop" : "length";
  result["truncated_by"] =
      complete ? nlohmann::json() : nlohmann::json(finish_reason_name(answer.finish_reason));
  result["generation"] = generation_facts(config, generation);
  result["prompt"] = prompt;
  result["formatted_prompt"] = formatted_prompt;
  const auto& images = arguments.images;
  result["image"] = images.empty()       ? nlohmann::json()
                    : images.size() == 1 ? nlohmann::json(images.front())
                                         : nlohmann::json(images);
  result["model"] = vlm.folder;
  result["base"] = vlm.fingerprint();
  result["patches"] = nlohmann::json::array();
  for (const auto& patch : stack.patches()) result["patches"].push_back(patch.id);
  result["peak_memory_bytes"] = peak_resident_bytes();
  result["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  print_json(result);
}

}  // namespace

void add_ask(CLI::App& program) {
  auto arguments = std::make_shared<AskArguments>();
  auto* command =
      program.add_subcommand("ask", "Ask a model a question, with or without a picture");
  command->footer(R"(
Examples:
  emend ask --image scene.png -p "What color is the star?"
  emend ask --image scene.png -p "a photo of"                    a caption
  emend ask -p "Where does Mipo live?"                           no picture
  emend ask --image scene.png -p "..." --patch a.patch --patch b.patch
  emend ask -m ~/blip2-opt-2.7b --image cat.jpg -p "What is this?" --template "Question: {} Answer:"
  emend ask -m ~/qwen2-vl-2b --image a.png --image b.png -p "What is different?"   several pictures)");
  add_common(*command, arguments->common);
  add_prompt_options(*command, arguments->prompting);
  command
      ->add_option("--image", arguments->images,
                   "picture file: JPEG, PNG, WebP, BMP or GIF; may be given several times for a "
                   "model that reads several pictures")
      ->allow_extra_args(false);
  command->add_option("-p,--prompt", arguments->text, "question, or text to continue")->required();
  command->add_option("--patch", arguments->patches, "patch to apply; may be given several times");
  command
      ->add_option(
          "--max-new-tokens", arguments->max_new_tokens,
          "maximum number of generated tokens; default: from generation_config.json, else 32")
      ->check(whole_number(1, 4096));
  command
      ->add_option("--temperature", arguments->generation.temperature,
                   "sampling temperature; 0: greedy decoding")
      ->check(real_number(0, 100));
  command
      ->add_option("--top-p", arguments->generation.top_p, "probability mass of nucleus sampling")
      ->check(real_number(0, 1));
  command->callback([arguments] { ask(*arguments); });
}

}  // namespace emend::cli
