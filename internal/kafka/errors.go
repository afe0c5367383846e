package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/crossfadedb/crossfade/internal/apply"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// classify decides, once, what an error of kafka-go means. what says what was tried.
func classify(err error, what string) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*fault.Error](err); done || errors.Is(err, apply.ErrFenced) {
		return err
	}
	code, isCode := errors.AsType[kafkago.Error](err)
	if !isCode {
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return &fault.Error{Class: fault.Fatal, Reason: "tls", What: what, Err: err, Advice: "check kafka.tls in the configuration"}
		}
		// The network, a broker that went away, a deadline: each of them may pass.
		return &fault.Error{Class: fault.Retry, Reason: "transport", What: what, Err: err}
	}
	e := &fault.Error{Class: fault.Retry, Reason: fmt.Sprintf("kafka-%d", int(code)), What: what, Err: err}
	switch code {
	case kafkago.IllegalGeneration, kafkago.UnknownMemberId, kafkago.RebalanceInProgress, kafkago.FencedInstanceID:
		return fmt.Errorf("%s: %w (%w)", what, apply.ErrFenced, code)
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		e.Class = fault.Record
	case kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
		kafkago.BrokerAuthorizationFailed, kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState, kafkago.SecurityDisabled:
		e.Class, e.Advice = fault.Fatal, "check kafka.sasl in the configuration and the principal's ACLs"
	case kafkago.InvalidTopic, kafkago.InvalidPartitionNumber, kafkago.InvalidReplicationFactor, kafkago.InvalidConfiguration,
		kafkago.PolicyViolation, kafkago.InvalidRequest, kafkago.UnsupportedVersion, kafkago.InvalidGroupId,
		kafkago.InvalidSessionTimeout, kafkago.InconsistentGroupProtocol, kafkago.OffsetOutOfRange, kafkago.OffsetMetadataTooLarge,
		kafkago.InvalidCommitOffsetSize, kafkago.InvalidRequiredAcks, kafkago.InvalidRecord, kafkago.InvalidTimestamp,
		kafkago.UnsupportedForMessageFormat, kafkago.UnsupportedCompressionType:
		e.Class = fault.Fatal
	default: // a leader that moves, a coordinator that loads, replicas that are missing: it may pass
	}
	return e
}
