package events

import "errors"

// UnacknowledgedError is the error of an append that may have succeeded in part: these records were not acknowledged, and all
// others are durable. Its class is that of Err. Whoever owns the retries gives Rest of it to the next attempt.
type UnacknowledgedError struct {
	Records []Record // in the order in which they were handed over, those of one partition
	Err     error
}

func (u *UnacknowledgedError) Error() string { return u.Err.Error() }

func (u *UnacknowledgedError) Unwrap() error { return u.Err }

// Rest is which of the records must be appended again after an append of them returned err: all of them, unless err says
// which; none after success.
func Rest(records []Record, err error) []Record {
	if err == nil {
		return nil
	}
	if u, ok := errors.AsType[*UnacknowledgedError](err); ok {
		return u.Records
	}
	return records
}
