#include "models/processor.h"

#include <fmt/format.h>

#include <algorithm>
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

// As transformers' generate does: generation_config.json, or the language model's own setting.
std::vector<int64_t> read_stop_tokens(const fs::path& folder, const nlohmann::json& config) {
  std::vector<int64_t> ids;
  const auto generation = (folder / "generation_config.json").string();
  if (fs::exists(generation) &&
      read_ids(read_json_object(generation), "eos_token_id", generation, ids))
    return ids;
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
  processor.image_processor = ImageProcessor::load((root / "preprocessor_config.json").string());
  processor.image_slots = image_slots;
  processor.stop_tokens = read_stop_tokens(root, config);

  std::vector<int64_t> image;
  if (read_ids(config, "image_token_index", "config.json", image) && image.size() == 1)
    processor.image_token = image[0];
  else
    processor.image_token = processor.tokenizer->id("<image>");

  const auto own = (root / "processor_config.json").string();
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
  if (image_token && image >= 0) {
    const auto placeholder = tokenizer->token(*image_token);
    while (!placeholder.empty() && rest.rfind(placeholder, 0) == 0)
      rest.erase(0, placeholder.size());
  }
  if (rest.empty())
    throw Error("models::processor", "the prompt is empty", "ask something, or begin a caption");

  Row row;
  if (image >= 0) {
    row.ids.assign(image_slots, kImageSlot);
    row.images.push_back(image);
  }
  const auto ids = tokenizer->encode(rest, /*special=*/true);
  if (image_token && std::find(ids.begin(), ids.end(), *image_token) != ids.end())
    throw Error("models::processor",
                fmt::format("the prompt has the placeholder {} where no picture goes",
                            tokenizer->token(*image_token)),
                "pictures come first; the placeholder may be left out");
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
