#include "analyzer/match/parameters.h"

namespace mx::analyzer {
namespace {

// What the calling convention sees of a type. Structures are passed by what is in them, so the type
// itself counts.
bool passed_alike(const Passed& a, const Passed& b) {
  return a.kind == b.kind && a.size == b.size && (a.kind != 's' || a.type == b.type);
}

}  // namespace

std::string parameter_difference(const FunctionVariables& old_one,
                                 const FunctionVariables& new_one) {
  if (!old_one.known || !new_one.known) return "";
  const auto &x = old_one.parameters, &y = new_one.parameters;
  bool alike = x.size() == y.size() && old_one.variadic == new_one.variadic;
  for (size_t k = 0; alike && k < x.size(); ++k) alike = passed_alike(x[k], y[k]);
  if (!alike)
    return "its parameters differ: " + old_one.signature() + " in the old version, " +
           new_one.signature() + " in the new one";
  if (!passed_alike(old_one.result, new_one.result))
    return "its result is " + old_one.result.type + " in the old version and " +
           new_one.result.type + " in the new one";
  // Compilers leave parameters of local functions out, or hand them over elsewhere.
  for (size_t k = 0; k < x.size(); ++k)
    if (x[k].reg >= 0 && y[k].reg >= 0 && x[k].reg != y[k].reg)
      return "the compiler hands over its parameters in other registers";
  return "";
}

}  // namespace mx::analyzer
