package dynamodb

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/crossfadedb/crossfade/internal/fault"
)

// TimeToLive is what DynamoDB says of the expiry of a table's items.
type TimeToLive struct {
	Status    string // DISABLED, ENABLING, ENABLED or DISABLING
	Attribute string // whose time it is; empty when it is disabled
}

// Removes reports whether items may be removed by expiry: DynamoDB goes on with that for up to an hour while it disables it.
func (t TimeToLive) Removes() bool { return t.Status != "DISABLED" }

// TimeToLive asks whether items of the table expire. An error says that it is not known: NotPermitted and NotKnown tell
// why, where that is what the answer says.
func (t *Table) TimeToLive(ctx context.Context) (TimeToLive, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	what := "describe the time to live of table " + t.name
	answer, err := t.sdk.DescribeTimeToLive(ctx, &sdk.DescribeTimeToLiveInput{TableName: &t.name})
	if err != nil {
		return TimeToLive{}, classify(err, what)
	}
	d := answer.TimeToLiveDescription
	if d == nil || d.TimeToLiveStatus == "" {
		return TimeToLive{}, &fault.Error{Class: fault.Fatal, Reason: "no-status", What: what + ": the answer has no status"}
	}
	return TimeToLive{Status: string(d.TimeToLiveStatus), Attribute: aws.ToString(d.AttributeName)}, nil
}

// NotPermitted reports whether err says that the credentials do not allow what was asked.
func NotPermitted(err error) bool {
	answer, ok := answerOf(err)
	return ok && (answer.code == "AccessDeniedException" || answer.code == "AccessDenied")
}

// NotKnown reports whether err says that the server does not know the operation at all. Servers that only speak DynamoDB's
// protocol know a part of its operations.
func NotKnown(err error) bool {
	answer, ok := answerOf(err)
	if !ok {
		return false
	}
	switch answer.code {
	case "UnknownOperationException", "UnknownOperation", "NotImplementedException", "NotImplemented":
		return true
	}
	return answer.status == http.StatusNotFound || answer.status == http.StatusNotImplemented
}
