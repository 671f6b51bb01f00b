#include "serving/api/orders/work_order.h"

#include <fmt/format.h>

#include "io/error.h"
#include "serving/api_error.h"
#include "serving/plain_name.h"
#include "serving/request_fields.h"

namespace emend {
namespace {

constexpr size_t kMostSettings = 100;
constexpr size_t kMostPatches = 1000;

std::string setting_text(const std::string& name, const nlohmann::json& value) {
  if (value.is_string()) return text_field({{name, value}}, name);
  if (value.is_number() || value.is_boolean()) return value.dump();
  std::string text;
  if (value.is_array() && value.size() <= kMostSettings) {
    bool numbers = true;
    for (const auto& one : value) {
      numbers &= one.is_number();
      text += (text.empty() ? "" : ",") + one.dump();
    }
    if (numbers && !text.empty()) return text;
  }
  refuse_request("settings",
                 fmt::format("the setting '{}' must be a number, a text, true, false or a list of "
                             "numbers",
                             name));
}

}  // namespace

Picture take_picture(const WorkContext& context, nlohmann::json& body, const std::string& name) {
  if (!body.contains(name) || body[name].is_null()) return {};
  if (!body[name].is_string())
    refuse_request(name, fmt::format("'{}' must be a data URL of a picture", name));
  if (!context.vlm.model->reads_pictures()) refuse_request(name, "this model reads text only");
  auto sent = picture_from_url(body[name].get_ref<const std::string&>(), name);
  Picture picture;
  if (context.workspace) picture.path = context.workspace->save_picture(sent.bytes, sent.type);
  picture.drawn = std::make_shared<const Image>(std::move(sent.image));
  body[name] = picture.path.empty() ? "picture." + sent.type : picture.path;
  return picture;
}

std::optional<std::vector<std::string>> take_patches(const WorkContext& context,
                                                     const nlohmann::json& body) {
  if (!body.contains("patches") || body["patches"].is_null()) return {};
  auto names = texts_field(body, "patches", kMostPatches);
  context.library.model_name(names);
  return names;
}

OrderedStack open_stack(const WorkContext& context,
                        const std::optional<std::vector<std::string>>& names) {
  const auto chosen = names ? *names : context.library.stack();
  OrderedStack ordered{*context.models.find(context.library.model_name(chosen)), {}};
  for (const auto& name : chosen) ordered.files.push_back(context.library.file(name));
  return ordered;
}

std::vector<std::string> take_settings(const nlohmann::json& body) {
  if (!body.contains("settings") || body["settings"].is_null()) return {};
  const auto& settings = body["settings"];
  if (!settings.is_object() || settings.size() > kMostSettings)
    refuse_request("settings", "'settings' must be an object of settings by name");
  std::vector<std::string> pairs;
  for (const auto& [name, value] : settings.items()) {
    if (!is_plain_name(name) || name.find('.') != std::string::npos)
      refuse_request("settings",
                     fmt::format("'{}' is not the name of a setting", name.substr(0, 100)));
    if (!value.is_null()) pairs.push_back(name + "=" + setting_text(name, value));
  }
  return pairs;
}

}  // namespace emend
