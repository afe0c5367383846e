package events

import "fmt"

// Reason is why a record cannot be applied: a bounded label for metrics and for the dlq.
type Reason string

// The reasons for which a record goes to the dlq.
const (
	Undecodable Reason = "undecodable"        // not the JSON, headers or version that it should be
	KeyMismatch Reason = "key-mismatch"       // the key does not fit the key schema, or the item's key is another
	Reserved    Reason = "reserved-attribute" // the item uses the name of an attribute of ours
	Misplaced   Reason = "misplaced"          // in a partition or of a form that gives it no order
	TooLarge    Reason = "too-large"          // over the target's item size
	Refused     Reason = "refused"            // the target says that the item itself is not valid
)

// Invalid is a record that cannot be applied, whatever is tried.
type Invalid struct { //nolint:errname // an event is invalid; so reads where it is used
	Reason Reason
	Detail string
	Err    error // the cause, or nil
}

func (e *Invalid) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: %s", e.Reason, e.Detail)
	}
	return fmt.Sprintf("%s: %s: %v", e.Reason, e.Detail, e.Err)
}

func (e *Invalid) Unwrap() error { return e.Err }

func undecodable(detail string, err error) *Invalid {
	return &Invalid{Reason: Undecodable, Detail: detail, Err: err}
}

func mismatch(format string, args ...any) *Invalid {
	return &Invalid{Reason: KeyMismatch, Detail: fmt.Sprintf(format, args...)}
}
