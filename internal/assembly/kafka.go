package assembly

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/migration"
)

// openKafka turns the configuration's settings into a client.
func openKafka(c migration.Kafka, brokers []string, p *Parts) (*kafka.Client, error) {
	encryption, err1 := tlsConfig(c.TLS)
	mechanism, err2 := mechanism(c.SASL)
	if err := errors.Join(err1, err2); err != nil {
		return nil, &fault.Error{Class: fault.Fatal, Reason: "kafka-config", What: "prepare the connection to Kafka", Err: err}
	}
	return kafka.Open(kafka.Options{
		Brokers: brokers, ClientID: p.process, TLS: encryption, SASL: mechanism, Dial: p.network.Dial,
		// Given up for lost well within the grace; brokers refuse less than 6 s.
		SessionTimeout: max(6*time.Second, min(10*time.Second, p.Config.Grace/4)),
		RequestTimeout: requestTimeout(15*time.Second, p.Config.Grace), Logger: p.Logger,
	})
}

func tlsConfig(c migration.TLS) (*tls.Config, error) {
	if !c.Enabled {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.ca_file: %s holds no certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func mechanism(c migration.SASL) (sasl.Mechanism, error) {
	if c.Mechanism == "" {
		return nil, nil
	}
	password, err := password(c)
	if err != nil {
		return nil, err
	}
	switch c.Mechanism {
	case "scram-sha-256":
		return scram.Mechanism(scram.SHA256, c.Username, password)
	case "scram-sha-512":
		return scram.Mechanism(scram.SHA512, c.Username, password)
	}
	return plain.Mechanism{Username: c.Username, Password: password}, nil
}

func password(c migration.SASL) (string, error) {
	if c.PasswordEnv != "" {
		if text, ok := os.LookupEnv(c.PasswordEnv); ok {
			return text, nil
		}
		return "", fmt.Errorf("kafka.sasl.password_env: %s is not in the environment", c.PasswordEnv)
	}
	text, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("kafka.sasl.password_file: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
