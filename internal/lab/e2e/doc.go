// Package e2e has the tests of whole migrations: the three binaries as processes, against Apache Kafka and DynamoDB
// Local, with kills. They run when CROSSFADE_SERVICES is 1; `make test` sets it.
package e2e
