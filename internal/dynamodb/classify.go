package dynamodb

import (
	"errors"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// classify decides, once, what an error of the wire client or of the SDK means. what says what was tried, with the names that
// matter. About answers that are not DynamoDB's, and those that refuse the credentials or the clock, a guard has decided
// before: their meaning depends on what came before them.
func classify(err error, what string) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*fault.Error](err); done {
		return err
	}
	if v, judged := errors.AsType[*verdict](err); judged {
		return &fault.Error{Class: v.class, Throttle: v.throttle, Reason: v.reason, What: what, Advice: v.advice, Err: v.err}
	}
	answer, ok := answerOf(err)
	if !ok {
		// No answer: the network, a deadline, a lost answer. The call may have been carried out; doing it again is harmless.
		return &fault.Error{Class: fault.Retry, Reason: "no-answer", What: what, Err: err}
	}
	e := &fault.Error{Class: fault.Fatal, Reason: answer.code, What: what, Err: err}
	switch answer.code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException", "Throttling":
		e.Class, e.Throttle = fault.Retry, throttleOf(answer.reasons)
	case "InternalServerError", "InternalFailure", "ServiceUnavailable", "TransactionConflictException", "TransactionInProgressException",
		"ResourceInUseException", "ReplicatedWriteConflictException", "RequestTimeout", "RequestTimeoutException":
		e.Class = fault.Retry
	case "ItemCollectionSizeLimitExceededException", "ValidationException", "ValidationError", "SerializationException":
		e.Class, e.Err = fault.Record, invalid(answer)
	case "ResourceNotFoundException":
		e.Advice = "check the table's name, region and account in the configuration"
	case "AccessDeniedException", "AccessDenied", "MissingAuthenticationTokenException", "IncompleteSignatureException", "IncompleteSignature":
		e.Advice = "check the credentials and their permissions"
	default:
		if answer.status >= 500 {
			e.Class = fault.Retry
		}
	}
	return e
}

// unanswered is err, classified, if a request must be made again because it was not answered, or not with what was asked for. A
// refusal is an answer, and so is throttling: then it is nil. what says what was tried.
func unanswered(err error, what string) error {
	e := classify(err, what)
	if fault.Of(e) == fault.Retry && fault.ThrottleOf(e) == fault.NotThrottled {
		return e
	}
	return nil
}

// answerOf finds what the service answered, whichever client asked.
func answerOf(err error) (*answerError, bool) {
	if _, judged := errors.AsType[*verdict](err); judged {
		return nil, false // nothing that it holds is a word about the request
	}
	if own, ok := errors.AsType[*answerError](err); ok {
		return own, true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return nil, false
	}
	answer := &answerError{code: api.ErrorCode(), message: api.ErrorMessage()}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		answer.status = response.HTTPStatusCode()
	}
	var reasons []types.ThrottlingReason
	if e, ok := errors.AsType[*types.ProvisionedThroughputExceededException](err); ok {
		reasons = e.ThrottlingReasons
	} else if e, ok := errors.AsType[*types.ThrottlingException](err); ok {
		reasons = e.ThrottlingReasons
	} else if e, ok := errors.AsType[*types.RequestLimitExceeded](err); ok {
		reasons = e.ThrottlingReasons
	}
	for _, r := range reasons {
		if r.Reason != nil {
			answer.reasons = append(answer.reasons, *r.Reason)
		}
	}
	return answer, true
}

// throttleOf says how much is throttled. Only if every reason names a key range is it that range alone. The statements of
// a batch have no reasons in their answers.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-diagnosing.html
func throttleOf(reasons []string) fault.Throttle {
	if len(reasons) == 0 {
		return fault.UnnamedThrottled
	}
	for _, r := range reasons {
		if !strings.HasSuffix(r, "KeyRangeThroughputExceeded") {
			return fault.TableThrottled
		}
	}
	return fault.RangeThrottled
}

// invalid says why the database refuses an item.
func invalid(answer *answerError) *events.Invalid {
	reason := events.Refused
	switch message := answer.message; {
	case strings.Contains(message, "secondary index key") || strings.Contains(message, "Index Key") || strings.Contains(message, "IndexName"):
		// The key of an index of the new table, such as an empty text, and not the row's own.
	case strings.Contains(message, "Item size") || strings.Contains(message, "size has exceeded") || answer.code == "ItemCollectionSizeLimitExceededException":
		reason = events.TooLarge
	case strings.Contains(message, "key element does not match") || strings.Contains(message, "Type mismatch for key") ||
		strings.Contains(message, "Missing the key") || strings.Contains(message, "key attribute"):
		reason = events.KeyMismatch
	}
	return &events.Invalid{Reason: reason, Detail: answer.code + ": " + answer.message}
}

// conditionFailed returns the stored item of a write that its condition refused, nil when it was not returned.
func conditionFailed(err error) (item []byte, ok bool) {
	answer, ok := answerOf(err)
	if !ok || answer.code != "ConditionalCheckFailedException" {
		return nil, false
	}
	return answer.item, true
}
