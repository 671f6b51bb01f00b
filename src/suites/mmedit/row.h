#pragma once

#include <string>
#include <vector>

#include "suites/facts/row_fields.h"
#include "suites/record.h"

namespace emend {

// The fields that a row must have, and the rows that EasyEdit's readers leave out.
enum class MmeditKind {
  vqa,      // E-VQA, VLKEB: all fields; rows with an empty text are left out
  caption,  // E-IC: all fields; rows with an empty target (or no prompt or image) are left out
  any,      // as caption, but only src, alt and image are required
};

// An object of an MMEdit or VLKEB file.
struct MmeditRow {
  std::string src, rephrase, pred, alt, image, image_rephrase;
  std::string loc, loc_ans, m_loc, m_loc_q, m_loc_a;
  struct Consequence {
    std::string question, answer;
    bool of_picture;  // whether it is asked with the edit's image
  };
  std::vector<Consequence> port_new;
  // The reason to leave the row out, such as "empty alt"; empty: it is kept.
  std::string filtered;
};

// Throws emend::Error for a missing field or a wrong type. Answers may be numbers or lists of one
// (suites/facts/row_fields.h).
MmeditRow parse_mmedit_row(const RowFields& fields, MmeditKind kind);

// The paths of a row's pictures. An empty path: the picture is missing.
struct MmeditImages {
  std::string image, image_rephrase, m_loc;
};

// The probes of the row whose pictures exist. `grid`: also the other cells of the T x I grid.
std::vector<Probe> mmedit_probes(const MmeditRow& row, const MmeditImages& pictures, bool grid);

}  // namespace emend
