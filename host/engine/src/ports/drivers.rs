//! What registry drivers ask of the cluster and of routers.
