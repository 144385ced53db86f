// Any operator of libtorch by its schema, through the dispatcher's boxed interface; nothing here is written per operator.
//
// `describe(name)` resolves all overloads of a name once and tells JavaScript their arguments. `call()` reads an operator
// number and tagged arguments from the call buffer, calls, and leaves the results there. Errors come back as a string.
#include <ATen/core/jit_type.h>

#include <optional>
#include <sstream>
#include <unordered_map>

#include "compat.h"
#include "engine.h"
#include "random.h"

namespace retort {
namespace {

using torch::jit::Stack;
#if RETORT_STD_OPTIONAL
using OptionalTensor = std::optional<at::Tensor>;
#else
using OptionalTensor = c10::optional<at::Tensor>;
#endif

// What stands in front of a value in the call buffer. Shared with src/torch/call-buffer.ts.
enum Tag : int {
  kDefault = 0,
  kNone = 1,
  kHandle = 2,
  kInteger = 3,
  kDouble = 4,
  kBoolean = 5,
  kHalves = 6,
  kText = 7,
  kNumbers = 8,
  kHandles = 9,
  kBooleans = 10,
  kDeviceValue = 11,
  kGeneratorValue = 12,
  kLongs = 13,
  kScalars = 14,
};

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

template <typename Element, typename Read>
c10::List<Element> read_list(Cursor& in, Read&& read) {
  const size_t count = in.count();
  c10::List<Element> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) list.push_back(read());
  return list;
}

c10::Scalar read_scalar(Tag tag, Cursor& in) {
  switch (tag) {
    case kInteger: return in.integer();
    case kDouble: return in.number();
    case kBoolean: return in.number() != 0;
    case kHalves: return in.halves();
    default: TORCH_CHECK(false, "a number was expected, the call buffer holds tag ", static_cast<int>(tag));
  }
}

// Reads one tagged value from the call buffer.
c10::IValue read_argument(Engine& engine, const Argument& argument, Cursor& in) {
  const auto tag = static_cast<Tag>(in.integer());
  switch (tag) {
    case kDefault: TORCH_CHECK(argument.has_default, "a required argument is missing"); return argument.fallback;
    case kNone: return c10::IValue();
    case kHandle: return engine.tensor(in.handle());
    case kInteger:
    case kDouble:
    case kBoolean:
    case kHalves: {
      const c10::Scalar value = read_scalar(tag, in);
      if (argument.kind == kScalar) return value;
      if (value.isBoolean()) return value.toBool();
      return value.isFloatingPoint() ? c10::IValue(value.toDouble()) : c10::IValue(value.toLong());
    }
    case kText: return engine.strings.at(static_cast<size_t>(in.integer()));
    case kNumbers:
      if (argument.kind == kFloatList) return read_list<double>(in, [&] { return in.number(); });
      return read_list<int64_t>(in, [&] { return in.integer(); });
    case kLongs: return read_list<int64_t>(in, [&] { return in.halves(); });
    case kScalars:
      return read_list<c10::Scalar>(in, [&] {
        const auto of_element = static_cast<Tag>(in.integer());
        return read_scalar(of_element, in);
      });
    case kHandles:
      if (argument.kind == kOptionalTensorList) {
        return read_list<OptionalTensor>(in, [&] {
          const Handle handle = in.handle();
          return handle == 0 ? OptionalTensor() : OptionalTensor(engine.tensor(handle));
        });
      }
      return read_list<at::Tensor>(in, [&] { return engine.tensor(in.handle()); });
    case kBooleans: return read_list<bool>(in, [&] { return in.number() != 0; });
    case kDeviceValue: {
      const auto type = static_cast<c10::DeviceType>(in.integer());
      const int64_t index = in.integer();
      TORCH_CHECK(index >= -1 && index <= 127, "there is no device number ", index);
      return c10::Device(type, static_cast<c10::DeviceIndex>(index));
    }
    case kGeneratorValue: return engine.generators.list.at(static_cast<size_t>(in.integer()));
  }
  TORCH_CHECK(false, "the call buffer holds an unknown tag ", static_cast<int>(tag));
}

// How many places a result takes in the call buffer.
size_t width_of(const c10::IValue& value, Kind kind) {
  if (kind == kTensorList) return 1 + value.toListRef().size();
  if (kind == kIntList) return 1 + value.toIntVector().size();
  return kind == kDevice ? 2 : 1;
}

// Leaves results in the call buffer: each a handle, a number, the two of a device, or a count and that many handles or numbers. Where one fails, none is left.
void write_results(Engine& engine, Stack& results, const Operator& op, int32_t origin) {
  size_t width = 0;
  for (size_t i = 0; i < results.size(); ++i) width += width_of(results[i], op.returns[i]);
  engine.call_buffer.reserve(width);
  Cursor out(engine.call_buffer);
  engine.made.clear();
  const auto handle_of = [&](at::Tensor tensor) {
    const Handle handle = engine.handle_of(std::move(tensor), origin);
    if (handle != 0) engine.made.push_back(handle);
    return static_cast<double>(handle);
  };
  try {
    for (size_t i = 0; i < results.size(); ++i) {
      c10::IValue value = std::move(results[i]);
      switch (op.returns[i]) {
        case kTensor: out.put(handle_of(value.isTensor() ? std::move(value).toTensor() : at::Tensor())); break;
        case kTensorList: {
          const std::vector<at::Tensor> tensors = value.toTensorVector();
          out.put(static_cast<double>(tensors.size()));
          for (const at::Tensor& tensor : tensors) out.put(handle_of(tensor));
          break;
        }
        case kIntList: {
          const std::vector<int64_t> numbers = value.toIntVector();
          out.put(static_cast<double>(numbers.size()));
          for (const int64_t number : numbers) out.put(static_cast<double>(number));
          break;
        }
        case kBool: out.put(value.toBool() ? 1 : 0); break;
        case kFloat: out.put(value.toDouble()); break;
        case kScalar: out.put(value.toScalar().to<double>()); break;
        case kDevice:
          out.put(static_cast<double>(value.toDevice().type()));
          out.put(static_cast<double>(value.toDevice().index()));
          break;
        default: out.put(static_cast<double>(value.toInt())); break;
      }
    }
  } catch (...) {
    for (const Handle handle : engine.made) engine.slots.release(handle);
    throw;
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

// A stack for one call. Calls nest: `_backward` runs hooks, which call operators.
class StackInUse {
 public:
  explicit StackInUse(Operators& operators) : operators_(operators) {
    if (operators.depth == operators.stacks.size()) operators.stacks.emplace_back();
    stack_ = &operators.stacks[operators.depth++];
  }
  ~StackInUse() {
    stack_->clear();
    --operators_.depth;
  }
  StackInUse(const StackInUse&) = delete;
  StackInUse& operator=(const StackInUse&) = delete;
  Stack& operator*() const { return *stack_; }

 private:
  Operators& operators_;
  Stack* stack_;
};

void read_arguments(Engine& engine, const Operator& op, Stack& into) {
  Cursor in(engine.call_buffer, 1);
  for (const Argument& argument : op.arguments) into.push_back(read_argument(engine, argument, in));
}

// Calls the operator whose number stands at buffer[0] with the arguments behind it. Undefined when all went well, else the
// error's text; `buffer[0...]` then holds the results.
napi_value call(const Args<0>& args) {
  Engine& engine = args.engine;
  const int64_t hook_runs = engine.hooks.runs();
  const Operator* op = nullptr;
  std::string error;
  {
    StackInUse stack(engine.operators);
    error = message_of([&] {
      const int64_t id = engine.call_buffer.integer(0);
      op = &engine.operators.list.at(static_cast<size_t>(id));
      read_arguments(engine, *op, *stack);
      std::optional<RandomStream> stream;
      if (op->draws) stream.emplace(engine);
      if (op->differentiates) {
        engine.hooks.differentiate([&] { op->handle.callBoxed(&*stack); });
      } else {
        op->handle.callBoxed(&*stack);
      }
      if (!op->returns_self) write_results(engine, *stack, *op, static_cast<int32_t>(id));
    });
  }
  if (error.empty()) return nullptr;
  if (op == nullptr) return args.js.string(error);
  // The call consumed its stack: read the arguments again for the message, unless a hook has used the call buffer since.
  Stack given;
  if (engine.hooks.runs() == hook_runs) (void)message_of([&] { read_arguments(engine, *op, given); });
  return args.js.string(failure(*op, given, error));
}

napi_value describe_argument(Js js, const c10::Argument& argument) {
  bool optional = false;
  const c10::TypePtr type = unwrap_optional(argument.real_type(), optional);
  const auto& fallback = argument.default_value();
  const napi_value out = js.object();
  js.set(out, "name", js.string(argument.name()));
  js.set(out, "kind", js.number(kind_of(type)));
  js.set(out, "type", js.string(argument.real_type()->str()));
  js.set(out, "optional", js.boolean(optional));
  js.set(out, "kwargOnly", js.boolean(argument.kwarg_only()));
  js.set(out, "hasDefault", js.boolean(fallback.has_value()));
  // The N of `int[N]`, 0 for any length. Where an empty list is the default (pooling's stride) it may be given as well.
  js.set(out, "size", js.number(argument.N().value_or(0)));
  js.set(out, "maybeEmpty", js.boolean(fallback && fallback->isIntList() && fallback->toIntVector().empty()));
  js.set(out, "written", js.boolean(argument.alias_info() != nullptr && argument.alias_info()->isWrite()));
  return out;
}

// Whether an operator takes random numbers: libtorch says so, or it takes a generator.
bool draws(const c10::OperatorHandle& handle, const std::vector<Argument>& arguments) {
  for (const Argument& argument : arguments) {
    if (argument.kind == kGenerator) return true;
  }
  return handle.hasTag(at::Tag::nondeterministic_seeded);
}

const Operator& add_operator(Operators& operators, const c10::OperatorHandle& handle) {
  const c10::FunctionSchema& schema = handle.schema();
  Operator op{handle, schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name()), {}, {}};
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
  op.draws = draws(handle, op.arguments);
  op.differentiates = schema.name() == "aten::_backward";
  operators.list.push_back(std::move(op));
  return operators.list.back();
}

std::unordered_map<std::string, std::vector<std::string>> overloads_by_name() {
  std::unordered_map<std::string, std::vector<std::string>> out;
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) out[name.name].push_back(name.overload_name);
  return out;
}

// All overloads of "aten::add": [{id, overload, arguments, returns, returnsSelf}], or an empty array.
napi_value describe(const Args<1>& args) {
  static const auto* names = new std::unordered_map<std::string, std::vector<std::string>>(overloads_by_name());
  const Js js = args.js;
  const std::string name = args.string(0);
  const napi_value out = js.array();
  const auto found = names->find(name);
  if (found == names->end()) return out;
  uint32_t count = 0;
  for (const std::string& overload : found->second) {
    const auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
    if (!handle) continue;
    const size_t id = args.engine.operators.list.size();
    const Operator& op = add_operator(args.engine.operators, *handle);
    const auto list = [&](const std::vector<c10::Argument>& described) {
      const napi_value array = js.array();
      uint32_t i = 0;
      for (const auto& one : described) js.set(array, i++, describe_argument(js, one));
      return array;
    };
    const napi_value entry = js.object();
    js.set(entry, "id", js.number(static_cast<double>(id)));
    js.set(entry, "overload", js.string(overload));
    js.set(entry, "arguments", list(handle->schema().arguments()));
    js.set(entry, "returns", list(handle->schema().returns()));
    js.set(entry, "returnsSelf", js.boolean(op.returns_self));
    js.set(out, count++, entry);
  }
  return out;
}

// The base names of all operators, for the generator of the typed table.
napi_value operator_names(const Args<0>& args) {
  const napi_value out = args.js.array();
  uint32_t count = 0;
  for (const auto& entry : overloads_by_name()) args.js.set(out, count++, args.js.string(entry.first));
  return out;
}

}  // namespace

void define_dispatch(Exports& exports) {
  exports.add<call>("call");
  exports.add<describe>("describe");
  exports.add<operator_names>("operatorNames");
}

}  // namespace retort
