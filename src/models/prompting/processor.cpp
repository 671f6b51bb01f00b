#include "models/prompting/processor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/path.h"
#include "io/log.h"
#include "io/strings/blank.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::string filled(std::string pattern, const std::string& text) {
  const auto slot = pattern.find("{}");
  return slot == std::string::npos ? pattern : pattern.replace(slot, 2, text);
}

// The end of a formatted prompt.
bool is_wrapped(const std::string& text, const std::string& pattern) {
  const auto slot = pattern.find("{}");
  const auto tail = slot == std::string::npos ? "" : trimmed(pattern.substr(slot + 2));
  return !tail.empty() && text.find(tail) != std::string::npos;
}

// Completes id and text of the image placeholder from the tokenizer.
void find_placeholder(const Tokenizer& tokenizer, PromptLayout& layout) {
  const bool given = layout.image_token.has_value();
  if (!given) layout.image_token = tokenizer.id(layout.placeholder);
  if (!layout.image_token) {
    if (layout.pictures_first) layout.placeholder.clear();
  } else if (*layout.image_token < tokenizer.size()) {
    const auto text = tokenizer.token(*layout.image_token);
    for (auto* pattern : {&layout.with_picture, &layout.without_picture, &layout.bare_with_picture})
      replace_all(*pattern, layout.placeholder, text);
    layout.placeholder = text;
  }
  if (given && !layout.pictures_first && tokenizer.id(layout.placeholder) != layout.image_token)
    throw Error(
        "models::processor",
        fmt::format("the tokenizer has no token {} for the image placeholder", *layout.image_token),
        "tokenizer.json and config.json must come from the same model");
}

// Older releases stored generation settings in config.json, where transformers no longer reads
// them.
void warn_of_misplaced(const fs::path& root) {
  const auto file = (root / "config.json").string();
  if (!path_exists(file)) return;
  auto config = read_json_object(file);
  config.erase("max_length");  // all old files have it, and it is only a limit
  const auto names = GenerationConfig::parse(config, file).names();
  if (!names.empty())
    logger().warn("{} sets {}, which is ignored; move it to generation_config.json", file,
                  fmt::join(names, ", "));
}

// In transformers, these two fields of tokenizer_config.json override tokenizer.json.
void warn_of_overruled(const fs::path& root, bool begins, bool ends) {
  const auto file = (root / "tokenizer_config.json").string();
  if (!path_exists(file)) return;
  const auto config = read_json_object(file);
  for (const auto& [name, does] :
       {std::pair{"add_bos_token", begins}, std::pair{"add_eos_token", ends}})
    if (const auto found = config.find(name);
        found != config.end() && found->is_boolean() && found->get<bool>() != does)
      logger().warn("{} sets {} to {}, which is ignored: the tokenizer {} it", file, name,
                    found->get<bool>(), does ? "adds" : "does not add");
}

// The settings of an image processor, which are under a key in processor_config.json.
nlohmann::json image_settings(const std::string& path) {
  auto own = read_json_object(path);
  const auto inner = own.find("image_processor");
  return inner != own.end() && inner->is_object() ? nlohmann::json(*inner) : own;
}

}  // namespace

std::string image_processor_file(const std::string& folder) {
  const auto images = (fs::path(folder) / "preprocessor_config.json").string();
  const auto own = (fs::path(folder) / "processor_config.json").string();
  if (path_exists(images) || !path_exists(own)) return images;
  const auto settings = read_json_object(own);
  const auto inner = settings.find("image_processor");
  return inner != settings.end() && inner->is_object() ? own : images;
}

namespace {

void check_settings(const std::string& path, const nlohmann::json& own,
                    const std::vector<std::pair<std::string, std::string>>& settings) {
  for (const auto& [name, value] : settings)
    if (own.contains(name) && !own[name].is_null() && own[name] != nlohmann::json::parse(value))
      throw Error(
          "models::processor",
          fmt::format("{} has {} {}, but the model has {}", path, name, own[name].dump(), value),
          "the files must belong to the same model; download the folder again");
}

}  // namespace

Processor Processor::load(const std::string& folder, const PromptLayout& layout, bool wrap,
                          const std::string& date) {
  const fs::path root(folder);
  Processor processor;
  processor.layout = layout;
  processor.tokenizer = Tokenizer::load(folder);
  const auto own = (root / "processor_config.json").string();
  if (layout.reads_pictures()) {
    const auto from = image_processor_file(folder);
    processor.image_processor = ImageProcessor::load(from);
    if (!layout.image_settings.empty())
      check_settings(from, image_settings(from), layout.image_settings);
    find_placeholder(*processor.tokenizer, processor.layout);
    if (path_exists(own)) check_settings(own, read_json_object(own), layout.settings);
  }

  processor.stop_tokens = layout.stop_tokens;
  if (const auto file = root / "generation_config.json"; path_exists(file)) {
    processor.generation = GenerationConfig::parse(read_json_object(file.string()), file.string());
    const auto& stops = processor.generation.eos_token_id;
    if (layout.generation_config_stops && !stops.empty()) processor.stop_tokens = stops;
    if (const auto& names = processor.generation.not_implemented; !names.empty())
      logger().warn("{} sets {}, which is not implemented and is ignored", file.string(),
                    fmt::join(names, ", "));
  } else {
    warn_of_misplaced(root);
  }

  const auto& tokenizer = *processor.tokenizer;
  const auto with = tokenizer.encode("a", /*special=*/true);
  const auto without = tokenizer.encode("a", /*special=*/false);
  const auto text = std::search(with.begin(), with.end(), without.begin(), without.end());
  processor.begin_.assign(with.begin(), text);
  const bool ends = with.end() - text > static_cast<int64_t>(without.size());
  warn_of_overruled(root, !processor.begin_.empty(), ends);
  processor.spaced_ = !without.empty() && tokenizer.token(without[0]).starts_with("\u2581");

  auto& templates = processor.layout;
  if (!wrap) {
    templates.with_picture = templates.without_picture = "";
  } else if (layout.chat_template) {
    try {
      processor.chat_ = ChatTemplate::load(folder, date);
      if (processor.chat_) {
        templates.without_picture = processor.render("{}", 0);
        if (layout.reads_pictures()) templates.with_picture = processor.render("{}", 1);
      }
    } catch (const Error& error) {
      throw Error("models::processor",
                  fmt::format("the chat template of {} cannot be used: {}", folder, error.what()),
                  "use --no-chat-template to disable it");
    }
  }
  return processor;
}

ChatMessage ChatMessage::of(const std::string& role, const std::string& text, int64_t pictures) {
  ChatMessage message{role, std::vector<Part>(static_cast<size_t>(pictures))};
  message.parts.emplace_back(text);
  return message;
}

int64_t ChatMessage::pictures() const {
  return std::count(parts.begin(), parts.end(), std::nullopt);
}

std::string ChatMessage::text() const {
  std::string all;
  for (const auto& part : parts) all += part.value_or("");
  return all;
}

// A turn of the user, and the start of the answer.
std::string Processor::conversation(const std::vector<ChatMessage>& messages) const {
  if (!chat_)
    throw Error("models::processor", "the model has no chat template",
                "ask single questions, or use a model with a chat template");
  auto turns = nlohmann::ordered_json::array();
  for (const auto& message : messages) {
    nlohmann::ordered_json content = message.text();
    if (layout.reads_pictures()) {
      content = nlohmann::ordered_json::array();
      for (const auto& part : message.parts)
        content.push_back(part ? nlohmann::ordered_json{{"type", "text"}, {"text", *part}}
                               : nlohmann::ordered_json{{"type", "image"}});
    }
    turns.push_back({{"role", message.role}, {"content", content}});
  }
  return chat_->render(turns, {{"add_generation_prompt", true}});
}

std::string Processor::render(const std::string& text, int64_t pictures) const {
  return conversation({ChatMessage::of("user", text, pictures)});
}

// Transformers encodes a chat prompt of a language model without special tokens. For a
// vision-language model, BOS is added if the template has none.
std::vector<int64_t> Processor::encode(const std::string& text, bool bos) const {
  if (!bos) return tokenizer->encode(text, /*special=*/false);
  if (chat_ && !layout.reads_pictures() && is_wrapped(text, layout.without_picture))
    return tokenizer->encode(text, /*special=*/false);
  auto ids = tokenizer->encode(text, /*special=*/true);
  const auto size = static_cast<int64_t>(begin_.size());
  if (size > 0 && static_cast<int64_t>(ids.size()) >= 2 * size &&
      std::equal(begin_.begin(), begin_.end(), ids.begin() + size))
    ids.erase(ids.begin(), ids.begin() + size);
  return ids;
}

void Processor::check_reads_pictures() const {
  if (!layout.reads_pictures())
    throw Error("models::processor", "this model reads text only and does not accept pictures",
                "omit the picture, or use a vision-language model");
}

at::Tensor Processor::pixels(const Image& image) const { return tiles(image).pixels[-1]; }

Tiles Processor::tiles(const Image& image, bool alone) const {
  check_reads_pictures();
  return image_processor.tiles(image, alone);
}

void Processor::check_pictures(size_t pictures) const {
  if (pictures > 0) check_reads_pictures();
  if (pictures > 1 && !layout.reads_several_pictures)
    throw Error("models::processor",
                fmt::format("there are {} pictures, but this model reads one", pictures),
                "ask about each picture separately");
}

std::string Processor::prompt(const std::string& text, int64_t pictures) const {
  check_pictures(static_cast<size_t>(pictures));
  const auto& pattern = pictures > 0 ? layout.with_picture : layout.without_picture;
  const bool placed =
      !layout.pictures_first && pictures > 0 && text.find(layout.placeholder) != std::string::npos;
  if (placed) return text;
  const bool wrapped = is_wrapped(text, pattern);
  if (pictures > 1 && !layout.pictures_first && (!chat_ || wrapped))
    throw Error("models::processor",
                fmt::format("the prompt does not say where its {} pictures are", pictures),
                fmt::format("write {} at the place of each picture",
                            trimmed(filled(layout.bare_with_picture, ""))));
  if (!pattern.empty() && !wrapped)
    return chat_ ? render(text, pictures) : filled(pattern, text);
  return pictures > 0 && !layout.pictures_first ? filled(layout.bare_with_picture, text) : text;
}

Row Processor::row(const std::string& text, int64_t image, int rows, int columns) const {
  if (image < 0) return row(text, std::vector<PlacedPicture>());
  return row(text, std::vector<PlacedPicture>{{image, rows, columns, layout.num_image_tokens}});
}

Row Processor::row(const std::string& text, const std::vector<RowPicture>& pictures) const {
  std::vector<PlacedPicture> placed;
  for (const auto& [first, tiles] : pictures)
    placed.push_back({first, tiles->rows, tiles->columns,
                      layout.image_tokens ? layout.image_tokens(tiles->pixels[0])
                                          : layout.num_image_tokens});
  return row(text, placed);
}

Row Processor::row(const std::string& text, const std::vector<PlacedPicture>& pictures) const {
  check_pictures(pictures.size());
  for (const auto& picture : pictures)
    if (picture.positions < 0)
      throw Error("models::processor",
                  "the number of image tokens depends on the picture, which is not given",
                  "make the row with ImageBatch");
  return layout.pictures_first ? pictures_first(text, pictures) : in_place(text, pictures);
}

Row Processor::pictures_first(const std::string& text,
                              const std::vector<PlacedPicture>& pictures) const {
  std::string rest = text;
  const auto& placeholder = layout.placeholder;
  if (!placeholder.empty()) {
    while (!pictures.empty() && rest.starts_with(placeholder)) rest.erase(0, placeholder.size());
    if (rest.find(placeholder) != std::string::npos)
      throw Error("models::processor",
                  fmt::format("the prompt has the placeholder {} in a wrong place", placeholder),
                  "put placeholders at the start of the prompt, or omit them");
  }
  if (rest.empty())
    throw Error("models::processor", "the prompt is empty",
                "write a question, or the start of a caption");

  Row row;
  for (const auto& picture : pictures) {
    row.ids.insert(row.ids.end(), layout.num_image_tokens, kImageToken);
    row.images.push_back(picture.first);
  }
  const auto ids = tokenizer->encode(prompt(rest, static_cast<int64_t>(pictures.size())),
                                     /*special=*/bos != Bos::never);
  row.ids.insert(row.ids.end(), ids.begin(), ids.end());
  return row;
}

// The tokens between placeholders.
std::vector<std::vector<int64_t>> Processor::pieces(const std::string& text, bool bos) const {
  std::vector<std::vector<int64_t>> pieces(1);
  const bool known = layout.reads_pictures() && !layout.placeholder.empty();
  if (!known || layout.image_token) {
    for (int64_t id : encode(text, bos))
      if (known && id == *layout.image_token)
        pieces.emplace_back();
      else
        pieces.back().push_back(id);
    return pieces;
  }
  // The placeholder is not in the vocabulary, so the text on each side of it is tokenized
  // separately, as is the text on each side of a separator.
  bool first = true;
  const auto encode = [&](std::string_view part) {
    const auto ids = tokenizer->encode(part, /*special=*/first && bos);
    pieces.back().insert(pieces.back().end(), ids.begin(), ids.end());
    first = false;
  };
  const auto encode_seamed = [&](std::string_view part) {
    for (auto at = layout.text_separator.empty() ? part.npos : part.find(layout.text_separator);
         at != part.npos; at = part.find(layout.text_separator)) {
      encode(part.substr(0, at));
      part.remove_prefix(at + layout.text_separator.size());
    }
    encode(part);
  };
  std::string_view rest = text;
  const auto& placeholder = layout.placeholder;
  for (auto at = rest.find(placeholder); at != rest.npos; at = rest.find(placeholder)) {
    encode_seamed(rest.substr(0, at));
    pieces.emplace_back();
    rest.remove_prefix(at + placeholder.size());
  }
  encode_seamed(rest);
  return pieces;
}

void Processor::refuse_placeholder(size_t pictures) const {
  const auto place = pictures > 1 ? "write it once for each picture, at its place"
                                  : "write it once, at the place of the picture";
  throw Error(
      "models::processor",
      fmt::format("the prompt has the placeholder {} in a wrong place", layout.placeholder),
      layout.num_image_tokens > 0
          ? fmt::format("{}; it becomes {} positions", place, layout.num_image_tokens)
          : place);
}

std::string Processor::spelled_out(const std::string& text,
                                   const std::vector<PlacedPicture>& pictures) const {
  const auto& placeholder = layout.placeholder;
  std::string all;
  size_t begin = 0;
  for (const auto& picture : pictures) {
    const auto at = text.find(placeholder, begin);
    if (at == text.npos) refuse_placeholder(pictures.size());
    all += text.substr(begin, at - begin);
    begin = at + placeholder.size();
    for (int row = 1; row <= picture.rows; ++row) {
      for (int column = 1; column <= picture.columns; ++column) {
        auto before = layout.before_tile;
        replace_all(before, "{row}", std::to_string(row));
        replace_all(before, "{column}", std::to_string(column));
        all += before + placeholder;
      }
      all += layout.after_row;
    }
    if (picture.rows > 0) all += layout.after_tiles;
    all += layout.before_whole + placeholder + layout.after_whole;
  }
  if (text.find(placeholder, begin) != text.npos) refuse_placeholder(pictures.size());
  return all + text.substr(begin);
}

Row Processor::in_place(const std::string& text, const std::vector<PlacedPicture>& pictures) const {
  if (text.empty())
    throw Error("models::processor", "the prompt is empty",
                "write a question, or the start of a caption");
  if (!layout.text_separator.empty() && text.find(layout.text_separator) != std::string::npos)
    throw Error("models::processor", "the prompt has a control character", "remove the character");
  auto asked = prompt(text, static_cast<int64_t>(pictures.size()));
  const bool bare = pictures.empty() && asked == text && !is_wrapped(text, layout.without_picture);
  const bool spelled = !pictures.empty() && !layout.before_whole.empty();
  if (spelled) asked = spelled_out(asked, pictures);
  const bool released = layout.bare_text_bos || !bare;
  const auto pieces = this->pieces(asked, bos == Bos::released ? released : bos == Bos::always);
  for (const auto& piece : pieces)
    if (layout.video_token &&
        std::find(piece.begin(), piece.end(), *layout.video_token) != piece.end())
      throw Error("models::processor",
                  "the prompt has the placeholder of a video, but videos are not implemented",
                  "ask about a picture");
  const auto placeholders = static_cast<int64_t>(pieces.size()) - 1;
  int64_t tiles = 0;
  for (const auto& picture : pictures) tiles += picture.tiles();
  // The placeholder of a single picture may be repeated, once for each of its positions.
  const bool repeated = pictures.size() == 1 && !spelled && placeholders > 1;
  const bool fits =
      repeated ? (placeholders == tiles || placeholders == pictures.front().positions) &&
                     std::all_of(pieces.begin() + 1, pieces.end() - 1,
                                 [](const auto& piece) { return piece.empty(); })
               : placeholders == tiles;
  if (!fits) refuse_placeholder(pictures.size());
  Row row;
  row.ids = pieces.front();
  size_t piece = 0;
  for (const auto& picture : pictures)
    for (int64_t tile = 0; tile < picture.tiles(); ++tile) {
      const auto& behind = tiles == 1 ? pieces.back() : pieces[++piece];
      row.ids.insert(row.ids.end(), picture.positions, kImageToken);
      row.images.push_back(picture.first + tile);
      row.ids.insert(row.ids.end(), behind.begin(), behind.end());
    }
  return row;
}

std::vector<int64_t> Processor::target(const std::string& text) const {
  auto ids = tokenizer->encode(text, /*special=*/false);
  if (spaced_) {
    // Such a tokenizer adds a space before every text, but a continuation has one only if its text
    // does.
    const auto before = tokenizer->encode(":", /*special=*/false);
    const auto both = tokenizer->encode(":" + text, /*special=*/false);
    if (both.size() >= before.size() && std::equal(before.begin(), before.end(), both.begin()))
      ids.assign(both.begin() + static_cast<int64_t>(before.size()), both.end());
  }
  if (ids.empty())
    throw Error("models::processor", "the target has no tokens",
                "write an answer that is not empty");
  return ids;
}

}  // namespace emend
