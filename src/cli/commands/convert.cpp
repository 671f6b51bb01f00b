#include "models/convert/convert.h"

#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/writing_progress.h"
#include "io/error.h"
#include "io/files/atomic_directory.h"

namespace emend::cli {
namespace {

struct ConvertArguments {
  Blip2Files blip2;
  MiniGPT4Files minigpt4;
  std::string output, dtype = "stored";
  int64_t vision_heads = 0, qformer_heads = 0, vision_blocks = 0, image_size = 0;
  double shard_gb = 5;
  bool json = false, verbose = false;
};

std::optional<int64_t> given(int64_t number) {
  return number > 0 ? std::optional(number) : std::nullopt;
}

// Runs the conversion with a progress bar and prints the result.
template <typename Convert>
void run(const ConvertArguments& arguments, Convert convert) {
  AtomicDirectory(arguments.output);  // throws if the output cannot be written
  ConvertOptions options;
  static const std::map<std::string, at::ScalarType> dtypes{
      {"bf16", at::kBFloat16}, {"fp16", at::kHalf}, {"fp32", at::kFloat}};
  if (auto found = dtypes.find(arguments.dtype); found != dtypes.end())
    options.dtype = found->second;
  options.vision_heads = given(arguments.vision_heads);
  options.qformer_heads = given(arguments.qformer_heads);
  options.vision_blocks = given(arguments.vision_blocks);
  options.image_size = given(arguments.image_size);
  options.write.shard_bytes = static_cast<uint64_t>(arguments.shard_gb * 1e9);

  WritingProgress progress;
  progress.follow(options.write.begin, options.write.written);
  const auto result = convert(options);
  progress.end();

  if (arguments.json) {
    print_json({{"kind", "conversion"},
                {"folder", arguments.output},
                {"tensors", result.tensors},
                {"bytes", result.bytes},
                {"dtype", arguments.dtype},
                {"ignored", result.ignored},
                {"notes", result.notes},
                {"version", EMEND_VERSION}});
    return;
  }
  std::cout << fmt::format("  written   {}  ({} tensors, {:.1f} MB)\n", arguments.output,
                           result.tensors, result.bytes / 1e6);
  for (const auto& note : result.notes) std::cout << fmt::format("  note      {}\n", note);
  const size_t shown = arguments.verbose ? result.ignored.size() : 8;
  for (size_t i = 0; i < result.ignored.size(); ++i) {
    if (i == shown) {
      std::cout << fmt::format("  ignored   ... {} more; --verbose lists all\n",
                               result.ignored.size() - i);
      break;
    }
    std::cout << fmt::format("  ignored   {}\n", result.ignored[i]);
  }
}

void add_shared(CLI::App& command, ConvertArguments& arguments) {
  command.add_option("-o,--output", arguments.output, "output folder; must not exist or be empty")
      ->required();
  command
      .add_option("--dtype", arguments.dtype,
                  "dtype of the written weights; stored: the dtype of each tensor in its file")
      ->check(one_of({"stored", "bf16", "fp16", "fp32"}))
      ->capture_default_str();
  command
      .add_option(
          "--image-size", arguments.image_size,
          "image size in pixels; position embeddings are interpolated if it differs from the "
          "checkpoint's")
      ->check(whole_number(1, 1000000));
  command
      .add_option("--vision-blocks", arguments.vision_blocks,
                  "number of vision tower blocks to use; default: all, or 39 of the 40 in "
                  "eva_vit_g.pth")
      ->check(whole_number(1, 1000000));
  command
      .add_option("--vision-heads", arguments.vision_heads,
                  "number of attention heads of the vision tower; default: hidden size / 88")
      ->check(whole_number(1, 1000000));
  command
      .add_option("--qformer-heads", arguments.qformer_heads,
                  "number of attention heads of the Q-Former; default: hidden size / 64")
      ->check(whole_number(1, 1000000));
  command.add_option("--shard-gb", arguments.shard_gb, "maximum size of a weights file in GB")
      ->check(real_number(0.001, 1e6))
      ->capture_default_str();
  command.add_flag("--json", arguments.json, "print one JSON object instead of text");
  command.add_flag("-v,--verbose", arguments.verbose, "list all ignored tensors");
}

void add_blip2(CLI::App& convert) {
  auto arguments = std::make_shared<ConvertArguments>();
  auto* command = convert.add_subcommand("blip2", "Convert BLIP-2 with OPT from LAVIS");
  command->footer(R"(
Examples:
  emend convert blip2 --checkpoint blip2_pretrained_opt2.7b.pth --vit eva_vit_g.pth \
        --language opt-2.7b -o blip2
  emend convert blip2 --checkpoint blip2_caption_opt2.7b.pth --language opt-2.7b -o caption)");
  command
      ->add_option("--checkpoint", arguments->blip2.checkpoint,
                   "checkpoint of Q-Former, queries and projection, and of the vision tower if it "
                   "was trained")
      ->required();
  command->add_option("--vit", arguments->blip2.vit,
                      "checkpoint of the vision tower, if --checkpoint has none");
  command->add_option("--language", arguments->blip2.language, "folder of the OPT model")
      ->required();
  add_shared(*command, *arguments);
  command->callback([arguments] {
    run(*arguments, [&](const ConvertOptions& options) {
      return convert_blip2(arguments->blip2, arguments->output, options);
    });
  });
}

void add_minigpt4(CLI::App& convert) {
  auto arguments = std::make_shared<ConvertArguments>();
  auto* command = convert.add_subcommand("minigpt4", "Convert MiniGPT-4 with Vicuna");
  command->footer(R"(
Example:
  emend convert minigpt4 --vit eva_vit_g.pth --qformer blip2_pretrained_flant5xxl.pth \
        --projection pretrained_minigpt4_7b.pth --language vicuna-7b -o minigpt4)");
  auto& files = arguments->minigpt4;
  command->add_option("--vit", files.vit, "checkpoint of the vision tower")->required();
  command->add_option("--qformer", files.qformer, "checkpoint of Q-Former and queries")->required();
  command
      ->add_option("--projection", files.projection,
                   "checkpoint of the projection into the language model")
      ->required();
  command->add_option("--language", files.language, "folder of the Vicuna model")->required();
  add_shared(*command, *arguments);
  command->callback([arguments] {
    run(*arguments, [&](const ConvertOptions& options) {
      return convert_minigpt4(arguments->minigpt4, arguments->output, options);
    });
  });
}

}  // namespace

void add_convert(CLI::App& program) {
  auto* command = program.add_subcommand(
      "convert", "Convert checkpoints of other programs (.pth, .bin) to a Hugging Face folder");
  command->require_subcommand(1);
  command->footer(R"(
Checkpoints written by torch.save are read without executing pickled code. Content other than weights
is refused. If a tensor of the model is missing, nothing is written.

Examples:
  emend convert blip2 --checkpoint blip2_caption_opt2.7b.pth --language opt-2.7b -o caption
  emend convert minigpt4 --help)");
  add_blip2(*command);
  add_minigpt4(*command);
}

}  // namespace emend::cli
