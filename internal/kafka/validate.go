package kafka

import (
	"context"
	"fmt"
	"io"
	"net"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// validator carries requests that only ask whether topics could be made. kafka-go's transport waits after every answer to a
// CreateTopics until the brokers know the topics, and these are never made.
type validator struct{ *kafkago.Transport }

// RoundTrip implements kafkago.RoundTripper.
func (v validator) RoundTrip(ctx context.Context, to net.Addr, request kafkago.Request) (kafkago.Response, error) {
	create, ok := request.(*createtopics.Request)
	if !ok {
		return nil, fmt.Errorf("a request of type %T", request)
	}
	message, err := v.Transport.RoundTrip(ctx, to, &validating{Request: create, clientID: v.ClientID})
	if err != nil {
		return nil, err
	}
	answer, ok := message.(validated)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", message)
	}
	return answer.Response, nil
}

// validating is such a request; the answer has a type of its own, by which the transport does not know it.
type validating struct {
	*createtopics.Request
	clientID string
	version  int16
}

type validated struct{ *createtopics.Response }

var (
	_ protocol.BrokerMessage = (*validating)(nil)
	_ protocol.RawExchanger  = (*validating)(nil)
)

// Required implements protocol.RawExchanger.
func (v *validating) Required(versions map[protocol.ApiKey]int16) bool {
	v.version = versions[protocol.CreateTopics]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (v *validating) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if v.version < 1 {
		return nil, fmt.Errorf("the broker cannot be asked whether topics could be made: its CreateTopics has version %d", v.version)
	}
	const correlation = 1 // there is one request at a time
	if err := protocol.WriteRequest(rw, v.version, correlation, v.clientID, v.Request); err != nil {
		return nil, err
	}
	_, message, err := protocol.ReadResponse(rw, protocol.CreateTopics, v.version)
	if err != nil {
		return nil, err
	}
	answer, ok := message.(*createtopics.Response)
	if !ok {
		return nil, fmt.Errorf("an answer of type %T", message)
	}
	return validated{answer}, nil
}
