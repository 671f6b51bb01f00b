#include "evaluation/protocol/result_keys.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace emend {
namespace {

constexpr std::pair<const char*, const char*> kOldResultKeys[] = {{"while", "stage"},
                                                                  {"again", "reevaluated"},
                                                                  {"numbers", "parameters"},
                                                                  {"asked", "requested"}};

}  // namespace

void rename_old_result_keys(nlohmann::json& object, int depth) {
  if (object.is_object())
    for (const auto& [old_key, key] : kOldResultKeys)
      if (object.contains(old_key) && !object.contains(key)) {
        object[key] = std::move(object[old_key]);
        object.erase(old_key);
      }
  if (depth > 0 && object.is_structured())
    for (auto& element : object) rename_old_result_keys(element, depth - 1);
}

}  // namespace emend
