#include "serving/chat_request.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "io/error.h"
#include "serving/api_error.h"
#include "serving/request_fields.h"

namespace emend {
namespace {

using nlohmann::json;

constexpr size_t kMaxStopTexts = 4;
constexpr int64_t kMostPictures = 16;

// Fields without an effect on the answer.
const std::set<std::string> kIgnoredFields = {"user",
                                              "metadata",
                                              "store",
                                              "service_tier",
                                              "parallel_tool_calls",
                                              "prompt_cache_key",
                                              "safety_identifier"};
const std::set<std::string> kReadFields = {
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "seed",  "stop",     "stream",     "stream_options"};
// Fields that are accepted with one value only.
const std::map<std::string, json> kFixedFields = {{"n", 1},
                                                  {"logprobs", false},
                                                  {"presence_penalty", 0},
                                                  {"frequency_penalty", 0},
                                                  {"tools", json::array()},
                                                  {"response_format", {{"type", "text"}}}};

void check_chat_fields(const json& body) {
  for (const auto& [name, value] : body.items()) {
    if (kReadFields.count(name) || kIgnoredFields.count(name) || value.is_null()) continue;
    const auto fixed = kFixedFields.find(name);
    if (fixed == kFixedFields.end())
      refuse_request(name, fmt::format("'{}' is not supported", name.substr(0, 100)));
    if (value != fixed->second)
      refuse_request(name, fmt::format("'{}' must be {} or absent", name, fixed->second.dump()));
  }
}

// Fields of messages that have no effect on the answer: a client can send an answer back as it was.
const std::set<std::string> kMessageFields = {"role", "content", "name", "refusal", "annotations"};

// Throws if an object within the body has other fields. Null, [] and {} are the same as an absent
// field, because clients send them for features that they do not use.
void check_inner_fields(const json& object, const std::set<std::string>& known,
                        const std::string& where) {
  for (const auto& [name, value] : object.items())
    if (!known.count(name) && !value.empty())
      refuse_request(fmt::format("{}.{}", where, name.substr(0, 100)),
                     fmt::format("the field '{}' is not supported", name.substr(0, 100)));
}

int64_t new_tokens_limit(const json& body, const ChatLimits& limits) {
  const auto most = limits.max_new_tokens;
  const auto otherwise = std::min(limits.default_new_tokens, most);
  // The second name is the newer one.
  const auto first = whole_field(body, "max_tokens", otherwise, 1, most);
  const auto second = whole_field(body, "max_completion_tokens", first, 1, most);
  if (first != second && body.contains("max_tokens") && !body["max_tokens"].is_null())
    refuse_request("max_tokens", "'max_tokens' and 'max_completion_tokens' must be equal");
  return second;
}

std::vector<std::string> stop_texts(const json& body) {
  if (!body.contains("stop") || body["stop"].is_null()) return {};
  const auto& value = body["stop"];
  const auto list = value.is_array() ? value : json::array({value});
  std::vector<std::string> texts;
  for (const auto& text : list)
    if (text.is_string() && !text.get_ref<const std::string&>().empty())
      texts.push_back(text.get<std::string>());
  if (texts.size() != list.size() || texts.size() > kMaxStopTexts)
    refuse_request("stop",
                   fmt::format("'stop' must be a text or a list of at most {}", kMaxStopTexts));
  return texts;
}

Image image_of(const json& part, const std::string& where) {
  const auto& object = part.contains("image_url") ? part["image_url"] : json();
  const auto url = object.is_string()                             ? object
                   : object.is_object() && object.contains("url") ? object["url"]
                                                                  : json();
  if (!url.is_string()) refuse_request(where, "'image_url' must have a 'url'");
  if (object.is_object()) check_inner_fields(object, {"url", "detail"}, where + ".image_url");
  return picture_from_url(url.get_ref<const std::string&>(), where).image;
}

struct Conversation {
  std::vector<ChatMessage> messages;
  Query query;  // with the pictures
};

// The largest number of pictures of a conversation.
int64_t most_pictures(const Vlm& vlm) {
  if (!vlm.model->reads_pictures()) return 0;
  return vlm.processor.layout.reads_several_pictures ? kMostPictures : 1;
}

void read_part(const json& part, const std::string& where, int64_t most, ChatMessage& message,
               Conversation& conversation) {
  const auto type = part.is_object() && part.contains("type") && part["type"].is_string()
                        ? part["type"].get<std::string>()
                        : std::string();
  if (type == "text" || type == "image_url") check_inner_fields(part, {"type", type}, where);
  if (type == "text" && part.contains("text") && part["text"].is_string()) {
    message.parts.emplace_back(part["text"].get<std::string>());
    return;
  }
  if (type != "image_url")
    refuse_request(where, "a content part must have the type 'text' or 'image_url'");
  if (conversation.query.pictures() == most)
    refuse_request(where,
                   most == 0   ? "this model reads text only"
                   : most == 1 ? "this model reads one picture in a conversation"
                               : fmt::format("a conversation can have at most {} pictures", most));
  conversation.query.add(image_of(part, where));
  message.parts.emplace_back(std::nullopt);
}

Conversation read_messages(const json& body, const ChatLimits& limits, int64_t most) {
  const auto list = body.contains("messages") ? body["messages"] : json();
  if (!list.is_array() || list.empty() || list.size() > static_cast<size_t>(limits.max_messages))
    refuse_request("messages", fmt::format("'messages' must be a list of 1 to {} messages",
                                           limits.max_messages));
  Conversation conversation;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto where = fmt::format("messages[{}]", i);
    const auto& object = list[i];
    ChatMessage message;
    if (object.is_object() && object.contains("role") && object["role"].is_string())
      message.role = object["role"].get<std::string>();
    if (message.role == "developer") message.role = "system";
    if (message.role != "system" && message.role != "user" && message.role != "assistant")
      refuse_request(where + ".role", "the role must be 'system', 'user' or 'assistant'");
    check_inner_fields(object, kMessageFields, where);
    const auto content = object.contains("content") ? object["content"] : json();
    if (content.is_string())
      message.parts.emplace_back(content.get<std::string>());
    else if (content.is_array())
      for (size_t p = 0; p < content.size(); ++p)
        read_part(content[p], fmt::format("{}.content[{}]", where, p), most, message, conversation);
    else
      refuse_request(where + ".content", "the content must be a text or a list of parts");
    if (message.parts.empty()) message.parts.emplace_back("");
    if (message.pictures() > 0 && message.role != "user")
      refuse_request(where, "only messages of the user can have a picture");
    conversation.messages.push_back(std::move(message));
  }
  if (conversation.messages.back().role != "user")
    refuse_request("messages", "the last message must be the user's");
  return conversation;
}

Query query_of(Conversation conversation, const Vlm& vlm, const std::string& question_template) {
  const auto& processor = vlm.processor;
  auto& query = conversation.query;
  if (processor.has_chat_template()) {
    try {
      query.text = processor.conversation(conversation.messages);
      return std::move(query);
    } catch (const Error& error) {
      refuse_request("messages", without_places(error.what()));
    }
  }
  if (conversation.messages.size() != 1)
    refuse_request("messages",
                   "this model has no chat template, so it takes one message of the user and no "
                   "conversation");
  if (query.pictures() > 1)
    refuse_request("messages",
                   "this model has no chat template, so it takes one picture in a message");
  auto text = conversation.messages[0].text();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    refuse_request("messages", "the message is empty");
  const auto end = text.find_last_not_of(" \t\r\n");
  if (text[end] == '?' && !processor.wraps(query.image.has_value()))
    text = fmt::format("{}{}{}", question_template.substr(0, question_template.find("{}")), text,
                       question_template.substr(question_template.find("{}") + 2));
  query.text = std::move(text);
  return std::move(query);
}

}  // namespace

ChatRequest parse_chat_request(const json& body, const Vlm& vlm,
                               const std::string& question_template, const ChatLimits& limits) {
  if (!body.is_object()) refuse_request("", "the body must be a JSON object");
  check_chat_fields(body);
  ChatRequest request;
  if (!body.contains("model") || !body["model"].is_string())
    refuse_request("model", "'model' must be a text; GET /v1/models lists the models");
  request.model = body["model"].get<std::string>();
  request.stop = stop_texts(body);
  request.stream = flag_field(body, "stream");
  if (body.contains("stream_options") && !body["stream_options"].is_null()) {
    const auto& stream_options = body["stream_options"];
    if (!stream_options.is_object())
      refuse_request("stream_options", "'stream_options' must be an object");
    check_inner_fields(stream_options, {"include_usage", "include_obfuscation"}, "stream_options");
    request.include_usage = flag_field(stream_options, "include_usage");
  }
  auto& generation = request.generation;
  generation.max_new_tokens = new_tokens_limit(body, limits);
  generation.temperature = number_field(body, "temperature", 0, 0, 2);
  generation.top_p = number_field(body, "top_p", 1, 1e-6, 1);
  generation.seed = static_cast<uint64_t>(whole_field(body, "seed", 0, INT64_MIN, INT64_MAX));
  request.query =
      query_of(read_messages(body, limits, most_pictures(vlm)), vlm, question_template);
  return request;
}

}  // namespace emend
