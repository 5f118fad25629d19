#!/bin/sh
# Creates the namespace of leadflow with its search attributes. Safe to repeat.
# Needs TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, which the CLI reads itself.
set -eu

# retry COMMAND…: until it succeeds, for about two minutes.
retry() {
    attempts=60
    until "$@"; do
        attempts=$((attempts - 1))
        if [ "$attempts" -eq 0 ]; then
            echo "failed for two minutes: $*" >&2
            return 1
        fi
        sleep 2
    done
}

namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
}

# One --type for each --name: with fewer, the CLI creates only the first and says it succeeded.
search_attributes() {
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
        --name LeadflowTenant --type Keyword \
        --name LeadflowCampaign --type Keyword \
        --name LeadflowAccount --type Keyword \
        --name LeadflowStage --type Keyword \
        --name LeadflowProgress --type Int
}

# An open port is not yet a server that serves, and a new namespace is known everywhere only after some seconds.
retry temporal operator cluster health
retry namespace
retry search_attributes
