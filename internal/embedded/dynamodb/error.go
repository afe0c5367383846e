package dynamodb

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// Error is an answer that is not a success, as it goes over the wire.
type Error struct {
	Status  int    // HTTP; 0 means 400
	Code    string // such as ConditionalCheckFailedException
	Message string
	Reasons []ThrottlingReason // of a throttled call

	item          jsontext.Value // of a failed condition
	cancellations []cancellation // of a transaction
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ThrottlingReason says which limit was exceeded, and whose.
type ThrottlingReason struct {
	Reason   string `json:"reason"`   // such as TableWriteKeyRangeThroughputExceeded
	Resource string `json:"resource"` // the ARN of the table or the index
}

type cancellation struct {
	Code    string         `json:"Code"`
	Message string         `json:"Message,omitzero"`
	Item    jsontext.Value `json:"Item,omitzero"`
}

// Throttled is a ProvisionedThroughputExceededException with one reason.
func Throttled(reason, resource string) *Error {
	return &Error{
		Code:    "ProvisionedThroughputExceededException",
		Message: "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.",
		Reasons: []ThrottlingReason{{reason, resource}},
	}
}

// ThrottledOnDemand is a ThrottlingException with one reason, which on-demand tables and the control plane answer.
func ThrottledOnDemand(reason, resource string) *Error {
	return &Error{
		Code:    "ThrottlingException",
		Message: "Throughput exceeds the current capacity of your table or index.",
		Reasons: []ThrottlingReason{{reason, resource}},
	}
}

// InternalError is a 500.
func InternalError() *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "The request processing has failed because of an unknown error, exception or failure."}
}

func validation(format string, args ...any) *Error {
	return &Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *Error {
	return &Error{Code: "ResourceNotFoundException", Message: fmt.Sprintf(format, args...)}
}

// asError is err as an answer: a wrong expression or value is a ValidationException.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*expression.Error](err); ok {
		return validation("%s", e.Message)
	}
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &Error{Code: "SerializationException"} // the service says no more of what is no JSON
	}
	return &Error{Code: "SerializationException", Message: err.Error()}
}

// coral are the codes that do not belong to DynamoDB's own namespace.
var coral = map[string]string{
	"ValidationException":                 "com.amazon.coral.validate",
	"ThrottlingException":                 "com.amazon.coral.availability",
	"SerializationException":              "com.amazon.coral.service",
	"UnknownOperationException":           "com.amazon.coral.service",
	"MissingAuthenticationTokenException": "com.amazon.coral.service",
	"AccessDeniedException":               "com.amazon.coral.service",
	"UnrecognizedClientException":         "com.amazon.coral.service",
	"ExpiredTokenException":               "com.amazon.coral.service",
}

func (e *Error) body(stream bool) []byte {
	namespace, ok := coral[e.Code]
	if !ok {
		namespace = "com.amazonaws.dynamodb.v20120810"
		if stream {
			namespace = "com.amazonaws.dynamodb.streams.v20120810"
		}
	}
	members := map[string]any{"__type": namespace + "#" + e.Code, "message": e.Message}
	if e.item != nil {
		members["Item"] = e.item
	}
	if e.cancellations != nil {
		delete(members, "message")
		members["Message"], members["CancellationReasons"] = e.Message, e.cancellations
	}
	if len(e.Reasons) > 0 {
		name := "ThrottlingReasons"
		if e.Code == "ThrottlingException" {
			name = "throttlingReasons"
		}
		members[name] = e.Reasons
	}
	body, err := json.Marshal(members, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(err) // strings and JSON made by this package only
	}
	return body
}

// statementCode is the error's code where it is the answer to one statement of a batch, or of a transaction.
func (e *Error) statementCode() string {
	switch e.Code {
	case "ValidationException":
		return "ValidationError"
	case "ThrottlingException":
		return "ThrottlingError"
	case "DuplicateItemException":
		return "DuplicateItem"
	default:
		return strings.TrimSuffix(e.Code, "Exception")
	}
}
