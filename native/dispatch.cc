// Any operator of libtorch by its schema, through the dispatcher's boxed interface; nothing here is written per operator.
//
// `describe(name)` resolves all overloads of a name once and tells JavaScript their arguments. `call()` reads an operator
// number and tagged arguments from the tape, calls, and leaves the results there. Errors come back as a string.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <ATen/core/stack.h>

#include <cmath>
#include <sstream>
#include <unordered_map>

#include "engine.h"
#include "napi.h"

namespace retort {
namespace {

// How an argument travels. The numbers are shared with src/torch/schema.ts.
enum Kind : int {
  kTensor = 0, kInt = 1, kFloat = 2, kBool = 3, kScalar = 4, kString = 5, kDType = 6, kLayout = 7, kMemoryFormat = 8,
  kDevice = 9, kGenerator = 10, kIntList = 11, kFloatList = 12, kBoolList = 13, kTensorList = 14, kOptionalTensorList = 15,
  kScalarList = 16, kUnsupported = 17,
};

// What stands in front of a value on the tape. Shared with src/torch/tape.ts.
enum Tag : int {
  kDefault = 0, kNone = 1, kHandle = 2, kInteger = 3, kDouble = 4, kBoolean = 5, kBits = 6, kText = 7, kNumbers = 8,
  kHandles = 9, kBooleans = 10, kPlace = 11, kRandom = 12,
};

struct Argument {
  Kind kind;
  c10::IValue fallback;
  bool has_default;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Argument> arguments;
  std::vector<Kind> returns;
  bool returns_self = false;  // in-place: the result is the first argument, and gets no handle of its own
};

std::vector<Operator>& operators() {
  static auto* list = new std::vector<Operator>();
  return *list;
}

c10::TypePtr unwrap_optional(const c10::TypePtr& type, bool& optional) {
  optional = type->kind() == c10::TypeKind::OptionalType;
  return optional ? type->castRaw<c10::OptionalType>()->getElementType() : type;
}

Kind kind_of(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return kTensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return kInt;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType: return kFloat;
    case c10::TypeKind::BoolType: return kBool;
    case c10::TypeKind::NumberType: return kScalar;
    case c10::TypeKind::StringType: return kString;
    case c10::TypeKind::ScalarTypeType: return kDType;
    case c10::TypeKind::LayoutType: return kLayout;
    case c10::TypeKind::MemoryFormatType: return kMemoryFormat;
    case c10::TypeKind::DeviceObjType: return kDevice;
    case c10::TypeKind::GeneratorType: return kGenerator;
    case c10::TypeKind::ListType: {
      bool optional = false;
      const Kind element = kind_of(unwrap_optional(type->castRaw<c10::ListType>()->getElementType(), optional));
      if (element == kTensor) return optional ? kOptionalTensorList : kTensorList;
      if (optional) return kUnsupported;
      if (element == kInt) return kIntList;
      if (element == kFloat) return kFloatList;
      if (element == kBool) return kBoolList;
      if (element == kScalar) return kScalarList;
      return kUnsupported;
    }
    default: return kUnsupported;
  }
}

bool integral(double value) { return std::nearbyint(value) == value && std::abs(value) < 9.3e18; }

c10::Scalar scalar_of(double value) {
  return integral(value) ? c10::Scalar(static_cast<int64_t>(value)) : c10::Scalar(value);
}

c10::IValue number_as(Kind kind, double value) {
  switch (kind) {
    case kFloat: return value;
    case kScalar: return scalar_of(value);
    case kBool: TORCH_CHECK(false, "a boolean was expected, got the number ", value);
    default:
      TORCH_CHECK(integral(value), "an integer was expected, got ", value);
      return static_cast<int64_t>(value);
  }
}

// Reads one tagged value from the tape at `at`, moving it forward.
c10::IValue read_argument(const Argument& argument, const Tape& tape, size_t& at) {
  const auto tag = static_cast<Tag>(tape.integer(at++));
  switch (tag) {
    case kDefault:
      TORCH_CHECK(argument.has_default, "a required argument is missing");
      return argument.fallback;
    case kNone: return c10::IValue();
    case kHandle: return tensor_at(tape.handle(at++));
    case kInteger:
    case kDouble: {
      const double value = tape.data[at++];
      if (tag == kDouble && argument.kind == kScalar) return c10::Scalar(value);
      return number_as(argument.kind, value);
    }
    case kBoolean: {
      const bool value = tape.data[at++] != 0;
      return argument.kind == kScalar ? c10::IValue(c10::Scalar(value)) : c10::IValue(value);
    }
    case kBits: {
      int64_t value;
      std::memcpy(&value, &tape.data[at++], sizeof value);
      return argument.kind == kScalar ? c10::IValue(c10::Scalar(value)) : c10::IValue(value);
    }
    case kText: return engine().strings.at(static_cast<size_t>(tape.integer(at++)));
    case kNumbers: {
      const auto count = static_cast<size_t>(tape.integer(at++));
      const double* values = tape.data + at;
      at += count;
      if (argument.kind == kFloatList) {
        c10::List<double> list;
        list.reserve(count);
        for (size_t i = 0; i < count; ++i) list.push_back(values[i]);
        return list;
      }
      if (argument.kind == kScalarList) {
        c10::List<c10::Scalar> list;
        list.reserve(count);
        for (size_t i = 0; i < count; ++i) list.push_back(scalar_of(values[i]));
        return list;
      }
      c10::List<int64_t> list;
      list.reserve(count);
      for (size_t i = 0; i < count; ++i) list.push_back(number_as(kInt, values[i]).toInt());
      return list;
    }
    case kHandles: {
      const auto count = static_cast<size_t>(tape.integer(at++));
      if (argument.kind == kOptionalTensorList) {
        c10::List<c10::optional<at::Tensor>> list;
        list.reserve(count);
        for (size_t i = 0; i < count; ++i) {
          const Handle handle = tape.handle(at++);
          list.push_back(handle == 0 ? c10::optional<at::Tensor>() : c10::optional<at::Tensor>(tensor_at(handle)));
        }
        return list;
      }
      c10::List<at::Tensor> list;
      list.reserve(count);
      for (size_t i = 0; i < count; ++i) list.push_back(tensor_at(tape.handle(at++)));
      return list;
    }
    case kBooleans: {
      const auto count = static_cast<size_t>(tape.integer(at++));
      c10::List<bool> list;
      list.reserve(count);
      for (size_t i = 0; i < count; ++i) list.push_back(tape.data[at++] != 0);
      return list;
    }
    case kPlace: {
      const auto type = static_cast<c10::DeviceType>(tape.integer(at++));
      return c10::Device(type, static_cast<c10::DeviceIndex>(tape.integer(at++)));
    }
    case kRandom: return engine().generators.at(static_cast<size_t>(tape.integer(at++)));
  }
  TORCH_CHECK(false, "the tape holds an unknown tag ", static_cast<int>(tag));
}

void write_list(const std::vector<double>& values, size_t& at) {
  Tape& tape = engine().tape;
  tape.data[at++] = static_cast<double>(values.size());
  for (double value : values) tape.data[at++] = value;
}

// Leaves one result on the tape: a handle, a number, or a count and that many of either.
void write_result(c10::IValue value, Kind kind, int32_t origin, size_t& at) {
  double* data = engine().tape.data;
  switch (kind) {
    case kTensor: data[at++] = handle_of(value.isTensor() ? std::move(value).toTensor() : at::Tensor(), origin); return;
    case kTensorList: {
      std::vector<double> handles;
      for (at::Tensor tensor : value.toTensorVector()) handles.push_back(handle_of(std::move(tensor), origin));
      TORCH_CHECK(at + handles.size() + 1 < engine().tape.length, "too many results: ", handles.size());
      write_list(handles, at);
      return;
    }
    case kIntList: {
      std::vector<double> numbers;
      for (int64_t number : value.toIntVector()) numbers.push_back(static_cast<double>(number));
      write_list(numbers, at);
      return;
    }
    case kBool: data[at++] = value.toBool() ? 1 : 0; return;
    case kFloat: data[at++] = value.toDouble(); return;
    case kScalar: data[at++] = value.toScalar().to<double>(); return;
    case kDevice: data[at++] = static_cast<double>(value.toDevice().type()); return;
    default: data[at++] = static_cast<double>(value.toInt()); return;
  }
}

std::string shown(const c10::IValue& value) {
  std::ostringstream out;
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined()) return "undefined";
    out << c10::toString(tensor.scalar_type()) << tensor.sizes();
    if (!tensor.is_cpu()) out << " on " << tensor.device();
  } else if (value.isTensorList()) {
    const auto list = value.toTensorVector();
    out << "[" << list.size() << " tensors";
    for (size_t i = 0; i < list.size() && i < 4; ++i) out << (i == 0 ? ": " : ", ") << shown(list[i]);
    out << (list.size() > 4 ? ", ...]" : "]");
  } else if (value.isNone() || value.isScalar() || value.isIntList() || value.isDoubleList() || value.isBool() ||
             value.isString()) {
    out << value;
  } else {
    out << "...";
  }
  return out.str();
}

// "aten::add.Tensor(self: Float[2, 3], other: Float[4, 3]): <what libtorch said>"
std::string failure(const Operator& op, const std::vector<c10::IValue>& given, const std::string& message) {
  std::ostringstream out;
  out << op.name << "(";
  const auto& arguments = op.handle.schema().arguments();
  bool first = true;
  for (size_t i = 0; i < given.size() && i < arguments.size(); ++i) {
    const bool plain = op.arguments[i].has_default && !given[i].isTensor();
    if (plain) continue;
    out << (first ? "" : ", ") << arguments[i].name() << ": " << shown(given[i]);
    first = false;
  }
  if (given.size() < arguments.size()) out << (first ? "" : ", ") << arguments[given.size()].name() << ": ?";
  out << "): " << message;
  return out.str();
}

// Calls the operator whose number stands at tape[0] with the arguments behind it. Undefined when all went well, else the
// error's text; `tape[0...]` then holds the results.
napi_value call(napi_env env, napi_callback_info) {
  Tape& tape = engine().tape;
  // Reused, for its memory. Nothing that an operator runs comes back here: hooks run in `backward` only.
  static auto& stack = *new std::vector<c10::IValue>();
  const Operator* op = nullptr;
  std::string error = message_of([&] {
    size_t at = 0;
    const auto id = static_cast<size_t>(tape.data[at++]);
    op = &operators().at(id);
    for (const Argument& argument : op->arguments) stack.push_back(read_argument(argument, tape, at));
    op->handle.callBoxed(&stack);
    if (op->returns_self) return stack.clear();
    at = 0;
    for (size_t i = 0; i < stack.size(); ++i) {
      write_result(std::move(stack[i]), op->returns[i], static_cast<int32_t>(id), at);
    }
    stack.clear();
  });
  if (error.empty()) return nullptr;
  stack.clear();
  if (op != nullptr) {
    // The call consumed its stack: read the arguments again for the message.
    std::vector<c10::IValue> given;
    size_t at = 1;
    const std::string unreadable = message_of([&] {
      for (const Argument& argument : op->arguments) given.push_back(read_argument(argument, tape, at));
    });
    error = failure(*op, given, error);
  }
  return make_string(env, error);
}

napi_value describe_argument(napi_env env, const c10::Argument& argument) {
  bool optional = false;
  const c10::TypePtr type = unwrap_optional(argument.real_type(), optional);
  napi_value out = make_object(env);
  set(env, out, "name", make_string(env, argument.name()));
  set(env, out, "kind", make_number(env, kind_of(type)));
  set(env, out, "type", make_string(env, argument.real_type()->str()));
  set(env, out, "optional", make_boolean(env, optional));
  set(env, out, "kwargOnly", make_boolean(env, argument.kwarg_only()));
  set(env, out, "hasDefault", make_boolean(env, argument.default_value().has_value()));
  set(env, out, "expandable", make_boolean(env, argument.N().has_value()));
  set(env, out, "written", make_boolean(env, argument.alias_info() != nullptr && argument.alias_info()->isWrite()));
  return out;
}

int32_t add_operator(const c10::OperatorHandle& handle) {
  const c10::FunctionSchema& schema = handle.schema();
  Operator op{handle, schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name()), {}, {}, false};
  bool optional = false;
  for (const c10::Argument& argument : schema.arguments()) {
    const auto& fallback = argument.default_value();
    op.arguments.push_back({kind_of(unwrap_optional(argument.real_type(), optional)),
                            fallback ? *fallback : c10::IValue(), fallback.has_value()});
  }
  for (const c10::Argument& result : schema.returns()) {
    op.returns.push_back(kind_of(unwrap_optional(result.real_type(), optional)));
  }
  const auto& arguments = schema.arguments();
  const auto& returns = schema.returns();
  op.returns_self = returns.size() == 1 && !arguments.empty() && arguments[0].alias_info() != nullptr &&
                    arguments[0].alias_info()->isWrite() && returns[0].alias_info() != nullptr &&
                    returns[0].alias_info()->isWrite() && op.returns[0] == kTensor && op.arguments[0].kind == kTensor;
  operators().push_back(std::move(op));
  return static_cast<int32_t>(operators().size() - 1);
}

std::unordered_map<std::string, std::vector<std::string>> overloads_by_name() {
  std::unordered_map<std::string, std::vector<std::string>> out;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) out[name.name].push_back(name.overload_name);
  return out;
}

// All overloads of "aten::add": [{id, overload, arguments, returns, returnsSelf}], or an empty array.
napi_value describe(napi_env env, napi_callback_info info) {
  static const auto* names = new std::unordered_map<std::string, std::vector<std::string>>(overloads_by_name());
  const std::string name = Args<1>(env, info).string(0);
  napi_value out = make_array(env);
  const auto found = names->find(name);
  if (found == names->end()) return out;
  uint32_t count = 0;
  for (const std::string& overload : found->second) {
    const auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!handle) continue;
    const int32_t id = add_operator(*handle);
    napi_value entry = make_object(env);
    napi_value arguments = make_array(env);
    napi_value returns = make_array(env);
    uint32_t i = 0;
    for (const auto& argument : handle->schema().arguments()) napi_set_element(env, arguments, i++, describe_argument(env, argument));
    i = 0;
    for (const auto& result : handle->schema().returns()) napi_set_element(env, returns, i++, describe_argument(env, result));
    set(env, entry, "id", make_number(env, id));
    set(env, entry, "overload", make_string(env, overload));
    set(env, entry, "arguments", arguments);
    set(env, entry, "returns", returns);
    set(env, entry, "returnsSelf", make_boolean(env, operators()[id].returns_self));
    napi_set_element(env, out, count++, entry);
  }
  return out;
}

// The base names of all operators, for the generator of the typed table.
napi_value operator_names(napi_env env, napi_callback_info) {
  napi_value out = make_array(env);
  uint32_t count = 0;
  for (const auto& entry : overloads_by_name()) napi_set_element(env, out, count++, make_string(env, entry.first));
  return out;
}

}  // namespace

std::string operator_name(int32_t id) {
  return id >= 0 && static_cast<size_t>(id) < operators().size() ? operators()[id].name : "";
}

void clear_dispatch() { operators().clear(); }

void define_dispatch(napi_env env, napi_value exports) {
  define(env, exports, "call", call);
  define(env, exports, "describe", guarded<describe>);
  define(env, exports, "operatorNames", guarded<operator_names>);
}

}  // namespace retort
