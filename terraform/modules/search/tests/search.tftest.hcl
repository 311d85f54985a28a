# The region's search, planned against the schema of the provider alone.

mock_provider "kubernetes" {}

variables {
  region     = { name = "eu-central", jurisdiction = "eu" }
  master_key = "0123456789abcdef0123456789abcdef"
}

run "every_copy_says_that_it_knows_nobody" {
  command = plan

  assert {
    condition = alltrue([
      for labels in [
        kubernetes_namespace_v1.this.metadata[0].labels,
        kubernetes_secret_v1.master_key.metadata[0].labels,
        kubernetes_storage_class_v1.this.metadata[0].labels,
        kubernetes_service_v1.any.metadata[0].labels,
        kubernetes_service_v1.copies.metadata[0].labels,
        kubernetes_pod_disruption_budget_v1.this.metadata[0].labels,
        kubernetes_network_policy_v1.this.metadata[0].labels,
        kubernetes_stateful_set_v1.this.metadata[0].labels,
        kubernetes_stateful_set_v1.this.spec[0].template[0].metadata[0].labels,
        kubernetes_stateful_set_v1.this.spec[0].volume_claim_template[0].metadata[0].labels,
        ] : (
        labels["meridian/region"] == "eu-central" && labels["meridian/jurisdiction"] == "eu" &&
        labels["meridian/personal-data"] == "none"
      )
    ])
    error_message = "a resource does not say whose it is"
  }
}

run "a_copy_is_locked_in" {
  command = plan

  assert {
    condition = (
      toset(kubernetes_network_policy_v1.this.spec[0].policy_types) ==
      toset(["Ingress", "Egress"]) &&
      length(kubernetes_network_policy_v1.this.spec[0].egress) == 0
    )
    error_message = "it can tell somebody what was asked"
  }
  assert {
    condition = (
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0]
      .security_context[0].read_only_root_filesystem &&
      !kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0]
      .security_context[0].allow_privilege_escalation &&
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].security_context[0]
      .run_as_non_root
    )
    error_message = "it may more than it needs"
  }
  assert {
    condition = (
      kubernetes_namespace_v1.this.metadata[0].labels["pod-security.kubernetes.io/enforce"] ==
      "restricted"
    )
    error_message = "the namespace lets others do more"
  }
}

run "copies_stand_in_different_zones" {
  command = plan

  assert {
    condition = (
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0]
      .topology_spread_constraint[0].topology_key == "topology.kubernetes.io/zone"
    )
    error_message = "a zone takes all of them"
  }
  assert {
    condition = output.write_urls == [
      "http://meilisearch-0.meilisearch-copies.search.svc.cluster.local:7700",
      "http://meilisearch-1.meilisearch-copies.search.svc.cluster.local:7700",
    ]
    error_message = "a copy would stay empty"
  }
}

run "the_key_is_in_no_state" {
  assert {
    condition = !contains(
      keys(coalesce(kubernetes_secret_v1.master_key.data, {})), "key"
    )
    error_message = "the key is in the state"
  }
}

run "one_copy_is_too_few" {
  command = plan

  variables {
    copies = 1
  }

  expect_failures = [var.copies]
}

run "latest_is_no_version" {
  command = plan

  variables {
    image = "getmeili/meilisearch:latest"
  }

  expect_failures = [var.image]
}

run "a_short_key_is_refused" {
  command = plan

  variables {
    master_key = "short"
  }

  expect_failures = [var.master_key]
}

run "a_search_that_nobody_may_ask_is_refused" {
  command = plan

  variables {
    clients = []
  }

  expect_failures = [var.clients]
}

run "an_index_of_places_is_small" {
  command = plan

  variables {
    storage_gib = 1000
  }

  expect_failures = [var.storage_gib]
}
