#include "models/processor.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "models/json_fields.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// One id, a list of ids, or nothing; false when the field is absent.
bool read_ids(const nlohmann::json& json, const char* name, const std::string& path,
              std::vector<int64_t>& ids) {
  auto found = json.find(name);
  if (found == json.end() || found->is_null()) return false;
  const auto list = found->is_array() ? *found : nlohmann::json::array({*found});
  for (const auto& id : list) {
    if (!id.is_number_integer())
      throw Error("models::processor", fmt::format("{}: {} holds what is no token id", path, name));
    ids.push_back(id.get<int64_t>());
  }
  return true;
}

// Transformers generates through the language model, whose settings come from text_config; the
// folder's generation_config.json does not move the stop.
std::vector<int64_t> read_stop_tokens(const nlohmann::json& config) {
  std::vector<int64_t> ids;
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object() ||
      !read_ids(*text, "eos_token_id", "config.json", ids))
    ids.push_back(2);  // OPTConfig's default
  return ids;
}

}  // namespace

Processor Processor::load(const std::string& folder, int64_t image_slots) {
  const fs::path root(folder);
  const auto config = read_json_object((root / "config.json").string());
  Processor processor;
  processor.tokenizer = Tokenizer::load(folder);
  // Newer releases save one file for both halves of the processor.
  const auto own = (root / "processor_config.json").string();
  const auto images = (root / "preprocessor_config.json").string();
  processor.image_processor =
      ImageProcessor::load(!fs::exists(images) && fs::exists(own) ? own : images);
  processor.image_slots = image_slots;
  processor.stop_tokens = read_stop_tokens(config);

  std::vector<int64_t> image;
  if (read_ids(config, "image_token_index", "config.json", image) && image.size() == 1)
    processor.image_token = image[0];
  else
    processor.image_token = processor.tokenizer->id("<image>");

  std::vector<int64_t> queries;
  if (fs::exists(own) && read_ids(read_json_object(own), "num_query_tokens", own, queries) &&
      queries != std::vector<int64_t>{image_slots})
    throw Error("models::processor",
                fmt::format("{} says num_query_tokens {}, the model has {}", own,
                            queries.empty() ? 0 : queries[0], image_slots));
  return processor;
}

Row Processor::row(const std::string& text, int64_t image) const {
  std::string rest = text;
  if (image_token) {
    // Its usual name where the tokenizer's files leave it to the processor to add it.
    const auto placeholder =
        *image_token < tokenizer->size() ? tokenizer->token(*image_token) : "<image>";
    while (image >= 0 && !placeholder.empty() && rest.rfind(placeholder, 0) == 0)
      rest.erase(0, placeholder.size());
    if (!placeholder.empty() && rest.find(placeholder) != std::string::npos)
      throw Error(
          "models::processor",
          fmt::format("the prompt has the placeholder {} where no picture goes", placeholder),
          "pictures come first; the placeholder may be left out");
  }
  if (rest.empty())
    throw Error("models::processor", "the prompt is empty", "ask something, or begin a caption");

  Row row;
  if (image >= 0) {
    row.ids.assign(image_slots, kImageSlot);
    row.images.push_back(image);
  }
  const auto ids = tokenizer->encode(rest, /*special=*/true);
  row.ids.insert(row.ids.end(), ids.begin(), ids.end());
  return row;
}

std::vector<int64_t> Processor::target(const std::string& text) const {
  auto ids = tokenizer->encode(text, /*special=*/false);
  if (ids.empty())
    throw Error("models::processor", "the target has no tokens", "say what to answer");
  return ids;
}

}  // namespace emend
