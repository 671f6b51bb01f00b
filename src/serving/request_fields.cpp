#include "serving/request_fields.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/strings/blank.h"
#include "serving/api_error.h"
#include "serving/base64.h"

namespace emend {
namespace {

bool is_absent(const nlohmann::json& body, const std::string& name) {
  const auto found = body.find(name);
  return found == body.end() || found->is_null();
}

}  // namespace

void check_fields(const nlohmann::json& body, const std::set<std::string>& known,
                  const std::string& what) {
  if (!body.is_object()) refuse_request("", what + " must be a JSON object");
  for (const auto& [name, value] : body.items())
    if (!known.count(name))
      refuse_request(name.substr(0, 100),
                     fmt::format("the field '{}' is unknown", name.substr(0, 100)));
}

double number_field(const nlohmann::json& body, const char* name, double otherwise, double least,
                    double most) {
  if (is_absent(body, name)) return otherwise;
  const auto& value = body[name];
  if (!value.is_number() || !(value.get<double>() >= least) || !(value.get<double>() <= most))
    refuse_request(name, fmt::format("'{}' must be a number from {:g} to {:g}", name, least, most));
  return value.get<double>();
}

int64_t whole_field(const nlohmann::json& body, const char* name, int64_t otherwise, int64_t least,
                    int64_t most) {
  if (is_absent(body, name)) return otherwise;
  const auto& value = body[name];
  const bool fits = value.is_number_unsigned()
                        ? value.get<uint64_t>() <= static_cast<uint64_t>(most)
                        : value.is_number_integer();
  if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most)
    refuse_request(name,
                   fmt::format("'{}' must be a whole number from {} to {}", name, least, most));
  return value.get<int64_t>();
}

bool flag_field(const nlohmann::json& body, const char* name, bool otherwise) {
  if (is_absent(body, name)) return otherwise;
  if (!body[name].is_boolean())
    refuse_request(name, fmt::format("'{}' must be true or false", name));
  return body[name].get<bool>();
}

std::string text_field(const nlohmann::json& body, const std::string& name) {
  if (is_absent(body, name)) return {};
  const auto& value = body[name];
  if (!value.is_string()) refuse_request(name, fmt::format("'{}' must be a text", name));
  auto text = value.get<std::string>();
  if (text.size() > kMaxTextBytes)
    refuse_request(
        name, fmt::format("'{}' has {} bytes; the limit is {}", name, text.size(), kMaxTextBytes));
  if (text.find('\0') != std::string::npos)
    refuse_request(name, fmt::format("'{}' contains a null character", name));
  return text;
}

std::string required_text(const nlohmann::json& body, const std::string& name) {
  auto text = text_field(body, name);
  if (is_blank(text)) refuse_request(name, fmt::format("'{}' is missing or empty", name));
  return text;
}

std::vector<nlohmann::json> list_field(const nlohmann::json& body, const std::string& name,
                                       size_t most) {
  if (is_absent(body, name)) return {};
  const auto& value = body[name];
  if (!value.is_array() || value.size() > most)
    refuse_request(name, fmt::format("'{}' must be a list of at most {} elements", name, most));
  return value.get<std::vector<nlohmann::json>>();
}

std::vector<std::string> texts_field(const nlohmann::json& body, const std::string& name,
                                     size_t most) {
  std::vector<std::string> texts;
  for (const auto& value : list_field(body, name, most))
    texts.push_back(required_text({{name, value}}, name));
  return texts;
}

RequestPicture picture_from_url(const std::string& url, const std::string& where) {
  constexpr std::string_view kBegin = "data:image/";
  const auto comma = url.find(";base64,");
  if (!url.starts_with(kBegin) || comma == std::string::npos)
    refuse_request(where,
                   "only data URLs are supported (data:image/png;base64,...); the server opens no "
                   "connections");
  const auto bytes = decode_base64(std::string_view(url).substr(comma + 8));
  if (!bytes) refuse_request(where, "the data URL is not valid base64");
  try {
    return {std::string(bytes->begin(), bytes->end()),
            url.substr(kBegin.size(), comma - kBegin.size()),
            decode_image(bytes->data(), bytes->size(), "the picture of the request")};
  } catch (const Error& error) {
    refuse_data(where, error);
  }
}

}  // namespace emend
