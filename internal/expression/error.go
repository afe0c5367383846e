package expression

import "fmt"

// Error is what is wrong with a value or an expression, in the words of DynamoDB's ValidationException.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

func invalidf(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}
