#include "suites/groups.h"

namespace emend {

const std::vector<GroupInfo>& group_infos() {
  static const std::vector<GroupInfo> all = {
      {Group::reliability, "reliability", "Reliability",
       "Is the target the answer to the edited question about the edited picture?", "rewrite_acc",
       "edited", "edited", false, true},
      {Group::text_generality, "text_generality", "T-Generality",
       "Is the target the answer to other wordings of the question?", "rephrase_acc", "similar",
       "edited", false, true},
      {Group::image_generality, "image_generality", "M-Generality",
       "Is the target the answer for another picture of the same subject?", "image_rephrase_acc",
       "edited", "similar", false, true},
      {Group::both_generality, "both_generality", "TM-Generality",
       "Is the target the answer to other wordings with another picture?", "", "similar", "similar",
       false, false},
      {Group::text_locality, "text_locality", "T-Locality",
       "Are answers to unrelated questions without a picture unchanged?", "locality_acc",
       "unrelated", "none", true, true},
      {Group::image_locality, "image_locality", "M-Locality",
       "Are answers to unrelated questions about other pictures unchanged?",
       "multimodal_locality_acc", "unrelated", "unrelated", true, true},
      {Group::random_image_locality, "random_image_locality", "RI-Locality",
       "Is the answer to the edited question about an unrelated picture unchanged?", "", "near",
       "unrelated", true, false},
      {Group::no_image_locality, "no_image_locality", "NI-Locality",
       "Is the answer to the edited question without a picture unchanged?", "", "near", "none",
       true, false},
      {Group::consistent_image_locality, "consistent_image_locality", "CI-Locality",
       "Is the answer to an unrelated question about the edited picture unchanged?", "",
       "unrelated", "near", true, false},
      {Group::portability, "portability", "Portability",
       "Are the consequences of the edit answered correctly?", "portability_acc", "", "", false,
       false}};
  return all;
}

const std::vector<Group>& groups() {
  static const auto all = [] {
    std::vector<Group> list;
    for (const auto& info : group_infos()) list.push_back(info.group);
    return list;
  }();
  return all;
}

const GroupInfo& group_info(Group group) { return group_infos()[static_cast<size_t>(group)]; }

std::optional<Group> find_group(const std::string& name) {
  for (const auto& info : group_infos())
    if (name == info.name) return info.group;
  return {};
}

}  // namespace emend
